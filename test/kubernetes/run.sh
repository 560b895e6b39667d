#!/usr/bin/env bash
# Runs a command beside a Kubernetes cluster of two nodes on this machine, with the
# images that the end-to-end test built, and removes all of it afterwards, also when
# this script is killed. Needs root, a Docker engine (for docker save and nothing else) and
# control groups of version 1.
#
#   run.sh TOOLS PROGRAMS COMMAND [ARGUMENT…]
#
# TOOLS is the folder that tools.sh has filled, PROGRAMS that of our programs, and COMMAND
# the one of this folder.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tools=$(cd "${1:?usage: test/kubernetes/run.sh TOOLS PROGRAMS COMMAND [ARGUMENT…]}" && pwd)
programs=$2
shift 2
die() { printf 'kubernetes: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "needs root for namespaces and control groups"
[ -d /sys/fs/cgroup/cpuset ] || die "needs control groups of version 1: version 2 has not been tried"

dir=$(mktemp -d -t tale-kubernetes-XXXXXX)
groups=$(basename "$dir")

# remove: by the time that it is called every process is gone, but a kernel takes a
# moment to see it.
remove() {
  local deadline=$((SECONDS + 60))
  until ! find /sys/fs/cgroup -depth -type d -path "*/$groups*" -exec rmdir {} + 2>/dev/null | grep -q . &&
    [ -z "$(find /sys/fs/cgroup -maxdepth 2 -name "$groups" -print -quit)" ]; do
    ((SECONDS < deadline)) || { echo "kubernetes: cannot remove the control groups $groups" >&2; break; }
    sleep 0.2
  done
  rm -rf "$dir"
}
# The guardian's input ends with the last process that has the pipe, this script.
# shellcheck disable=SC2094
mkfifo "$dir/alive"
(
  trap '' INT TERM HUP
  cat "$dir/alive" >/dev/null
  remove
) &
guardian=$!
exec {alive}>"$dir/alive"
cluster=
end() {
  [ -z "$cluster" ] || kill -KILL "$cluster" 2>/dev/null || true
  exec {alive}>&-
  wait "$guardian"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

images=(tale-e2e/tale-{db,convex,platform,proxy,rag,crawler}:e2e)
docker image inspect "${images[@]}" >/dev/null 2>&1 || die "the images ${images[*]} are not all there: make e2e builds them"
docker save -o "$dir/images.tar" "${images[@]}"
"$1" releases "$dir/images.tar" "$programs"

# Every process of the cluster is below this one, and dies with it; so do all mounts,
# interfaces and rules. It dies with this script.
setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
  "$here/cluster.sh" "$dir" "$tools" "$groups" "$@" {alive}>&- &
cluster=$!
wait "$cluster"
