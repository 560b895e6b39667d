#!/usr/bin/env bash
# Compiles Kubernetes with etcd, CoreDNS and a pause program from their Go modules into
# a folder, for a machine that reaches no registry of images. It takes 10 minutes on two
# cores and a few gigabytes while it runs; what is there already stays. The rest of a
# cluster is Debian's.
set -euo pipefail

kubernetes=1.37.2
etcd=3.7.0
coredns=1.15.0
metrics=0.8.0

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: test/kubernetes/tools.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
commands=(kubectl kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet etcd)

missing=()
for package in docker:docker.io containerd:containerd runc:runc nft:nftables conntrack:conntrack ip:iproute2 openssl:openssl curl:curl; do
  type -P "${package%%:*}" >/dev/null || missing+=("${package#*:}")
done
[ -x /usr/lib/cni/ptp ] || missing+=(containernetworking-plugins)
if ((${#missing[@]})); then
  [ "$(id -u)" = 0 ] || { echo "needs root to install ${missing[*]}" >&2; exit 1; }
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A cache of its own, which goes away: it would be gigabytes that nothing else uses.
export CGO_ENABLED=0 GOFLAGS=-trimpath GOCACHE=$work/cache

# compile NAME VERSION [BUILD-ARGUMENT…]: the program of testdata/NAME, unless it is
# there in this version; go.mod comes from stdin.
compile() {
  local name=$1 version=$2 module
  module=$(cat)
  shift 2
  [ "$(cat "$folder/$name.version" 2>/dev/null)" != "$version" ] || return 0
  echo "compiling $name $version"
  mkdir -p "$work/$name"
  cp "$here/testdata/$name/main.go" "$work/$name"
  printf 'module %s\n\ngo 1.26.0\n\n%s\n' "$name" "$module" >"$work/$name/go.mod"
  go -C "$work/$name" mod tidy
  nice go build -C "$work/$name" -o "$folder/$name" "$@" .
  printf '%s' "$version" >"$folder/$name.version"
}

# staged: the modules that Kubernetes has in folders of its own, which the module does
# not contain; each is published with a 0 for the 1.
staged() {
  local source
  source=$(go mod download -json "k8s.io/kubernetes@v$kubernetes" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  sed -n "s|^\t\(k8s.io/[^ ]*\) => ./staging.*|replace \1 => \1 v0${kubernetes#1}|p" "$source/go.mod"
}

# Without the version kubelet and API server call themselves v0.0.0.
printf 'godebug default=go1.26\n\nrequire k8s.io/kubernetes v%s\n\nrequire go.etcd.io/etcd/server/v3 v%s\n\n%s\n' "$kubernetes" "$etcd" "$(staged)" |
  compile kubernetes "$kubernetes-$etcd" -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v$kubernetes"
printf 'require github.com/coredns/coredns v%s\n' "$coredns" | compile coredns "$coredns" -ldflags '-s -w'
printf 'require sigs.k8s.io/metrics-server v%s\n' "$metrics" | compile metrics-server "$metrics" -ldflags '-s -w'
compile pause 1 -ldflags '-s -w' </dev/null
mkdir -p "$folder/bin"
for command in "${commands[@]}"; do ln -sfn ../kubernetes "$folder/bin/$command"; done
"$folder/bin/kubectl" version --client
