#!/usr/bin/env bash
# Starts a cluster inside of namespaces that run.sh has made, waits until its nodes are
# ready, and runs a command beside it. It is the first process of its namespace: when it
# ends, everything ends.
#
#   cluster.sh FOLDER TOOLS CONTROL-GROUP COMMAND [ARGUMENT…]
set -euo pipefail

dir=$1 tools=$2 group=$3
shift 3
nodes=(1 2)
PATH=$tools/bin:$PATH
export HOME=$dir KUBECONFIG=$dir/admin.kubeconfig
mkdir -p "$dir/log"

die() {
  printf 'kubernetes: %s\n' "$*" >&2
  tail -n 5 "$dir"/log/* >&2
  exit 1
}
# patiently LIMIT COMMAND…: until the command succeeds, at most LIMIT seconds.
patiently() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || die "waited in vain for: $*"
    sleep 0.2
  done
}
# daemon NAME COMMAND…: in the background, with a log and its process id in files.
daemon() {
  local name=$1
  shift
  "$@" >"$dir/log/$name" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}
# on NODE COMMAND…: in the node's network. ip netns exec would mount a /sys without
# control groups.
on() {
  local node=$1
  shift
  nsenter --net="/run/netns/node$node" "$@"
}

# What programs leave behind at fixed places stays inside.
hide() {
  local place
  for place in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$place"; done
  mkdir -p /var/lib/cni /run/netns
}

# kubelet writes settings of the kernel that belong to the whole machine.
pretend_sysctls() {
  local setting path file
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    path=${setting%=*} file=$dir/sysctl-${path//\//-}
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/$path"
  done
}

# The control plane is on a bridge, each node a network of its own at it; pods are
# routed. A node's address may not be one of loopback.
make_network() {
  local node other
  ip link set lo up
  echo 1 >/proc/sys/net/ipv4/ip_forward
  ip link add nodes type bridge
  ip address add 10.250.0.1/24 dev nodes
  ip link set nodes up
  for node in "${nodes[@]}"; do
    ip netns add "node$node"
    ip link add "node$node" type veth peer name eth0 netns "node$node"
    ip link set "node$node" master nodes up
    on "$node" ip link set lo up
    on "$node" ip link set eth0 up
    on "$node" ip address add "10.250.0.1$node/24" dev eth0
    on "$node" ip route add default via 10.250.0.1
    on "$node" sysctl -qw net.ipv4.ip_forward=1
    ip route add "10.244.$node.0/24" via "10.250.0.1$node"
  done
  for node in "${nodes[@]}"; do
    for other in "${nodes[@]}"; do
      [ "$node" = "$other" ] || on "$node" ip route add "10.244.$other.0/24" via "10.250.0.1$other"
    done
  done
  # Who asks from here comes to the services as a load balancer does, by a node.
  ip route add 10.96.0.0/16 via 10.250.0.11
}

kubeconfig() { # of an administrator of everything
  cat <<KUBECONFIG
apiVersion: v1
kind: Config
current-context: it
clusters: [{name: it, cluster: {server: "https://10.250.0.1:6443", insecure-skip-tls-verify: true}}]
users: [{name: it, user: {token: $token}}]
contexts: [{name: it, context: {cluster: it, user: it}}]
KUBECONFIG
}

start_control_plane() {
  local token
  token=$(openssl rand -hex 16)
  echo "$token,admin,1,system:masters" >"$dir/tokens.csv"
  kubeconfig >"$KUBECONFIG"
  openssl genrsa -out "$dir/accounts.key" 2048 2>/dev/null
  daemon etcd etcd --data-dir "$dir/etcd" --unsafe-no-fsync --log-level warn
  daemon apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --advertise-address 10.250.0.1 \
    --cert-dir "$dir/certificates" --token-auth-file "$dir/tokens.csv" --authorization-mode RBAC \
    --service-cluster-ip-range 10.96.0.0/16 --kubelet-preferred-address-types InternalIP \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$dir/accounts.key" \
    --service-account-signing-key-file "$dir/accounts.key"
  patiently 120 kubectl get --raw /readyz
  daemon manager kube-controller-manager --kubeconfig "$KUBECONFIG" --leader-elect=false \
    --service-account-private-key-file "$dir/accounts.key" --root-ca-file "$dir/certificates/apiserver.crt"
  daemon scheduler kube-scheduler --kubeconfig "$KUBECONFIG" --leader-elect=false
}

# make_groups NODE: kubelet wants its group in every hierarchy, and that of cpuset filled.
make_groups() {
  local hierarchy place
  for hierarchy in /sys/fs/cgroup/*/; do
    for place in "$hierarchy$group" "$hierarchy$group/node$1"; do
      mkdir -p "$place"
      [ ! -e "$place/cpuset.cpus" ] || {
        cat "$hierarchy/cpuset.cpus" >"$place/cpuset.cpus"
        cat "$hierarchy/cpuset.mems" >"$place/cpuset.mems"
      }
    done
  done
}

# Without restrict_oom_score_adj no sandbox starts where root lacks CAP_SYS_RESOURCE.
containerd_config() {
  cat <<TOML
version = 2
root = "$1/containerd"
state = "/run/node$2/containerd"
[grpc]
address = "/run/node$2/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/pause:local"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$1/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
TOML
}

# Of a disk that is nearly full kubelet would remove images that no pod uses at the moment,
# the one of pauses first.
kubelet_config() {
  cat <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/node$2/containerd.sock
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: /$group/node$2
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
clusterDNS: [10.250.0.1]
clusterDomain: cluster.local
resolvConf: $1/resolv.conf
podLogsDir: $1/pods
evictionHard: {memory.available: "1%", nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
YAML
}

start_node() {
  local node=$1 home=$dir/node$1
  mkdir -p "$home/cni" "/run/node$node"
  : >"$home/resolv.conf"
  make_groups "$node"
  cat >"$home/cni/pods.conflist" <<CNI
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": {"type": "host-local",
 "dataDir": "$home/addresses", "ranges": [[{"subnet": "10.244.$node.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
CNI
  containerd_config "$home" "$node" >"$home/containerd.toml"
  kubelet_config "$home" "$node" >"$home/kubelet.yaml"
  daemon "containerd$node" nsenter --net="/run/netns/node$node" containerd --config "$home/containerd.toml"
  patiently 30 ctr -a "/run/node$node/containerd.sock" version
  ctr -a "/run/node$node/containerd.sock" -n k8s.io images import "$dir/images.tar" >/dev/null
  ctr -a "/run/node$node/containerd.sock" -n k8s.io images import "$dir/pause.tar" >/dev/null
  daemon "kubelet$node" nsenter --net="/run/netns/node$node" kubelet --config "$home/kubelet.yaml" \
    --kubeconfig "$KUBECONFIG" --root-dir "$home/kubelet" --node-ip "10.250.0.1$node" --hostname-override "node$node"
  daemon "kube-proxy$node" nsenter --net="/run/netns/node$node" kube-proxy --kubeconfig "$KUBECONFIG" \
    --hostname-override "node$node" --proxy-mode nftables --cluster-cidr 10.244.0.0/16 --conntrack-max-per-core 0 \
    --conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0
}

# pause_image writes an archive of an image as docker save does: the engine is not asked.
pause_image() {
  local work=$dir/pause-image layer
  mkdir -p "$work"
  tar -C "$tools" -cf "$work/layer.tar" pause
  layer=$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)
  printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(dpkg --print-architecture)" "$layer" >"$work/config.json"
  printf '[{"Config":"config.json","RepoTags":["docker.io/library/pause:local"],"Layers":["layer.tar"]}]' >"$work/manifest.json"
  tar -C "$work" -cf "$dir/pause.tar" manifest.json config.json layer.tar
}

hide
pretend_sysctls
make_network
pause_image
start_control_plane
for node in "${nodes[@]}"; do start_node "$node"; done
rm "$dir/images.tar"
patiently 120 kubectl wait --for=condition=Ready "${nodes[@]/#/node/node}" --timeout=1s
printf 'a cluster of %s nodes is ready after %s s\n' "${#nodes[@]}" "$SECONDS"
"$@" --dir "$dir" --tools "$tools"
