#!/usr/bin/env bash
# What a machine lacks of a Docker engine: the packages, the engine itself, and
# the two plugins of the command line, which are compiled because the
# distribution has none. Each part does nothing where it is there already.
#
#   engine.sh packages  from the distribution; needs root and apt
#   engine.sh plugins   docker compose and docker buildx; needs Go
#   engine.sh start     the engine, in the background; needs root, and with
#                       ENGINE=newest Go
#   engine.sh stop      the engine that start has started
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
log=$cache/dockerd.log
pid_file=$cache/dockerd.pid

packages() {
  local missing=() command
  type -P docker >/dev/null && type -P dockerd >/dev/null || missing+=(docker.io)
  for command in iptables debootstrap curl jq; do
    type -P "$command" >/dev/null || missing+=("$command")
  done
  type -P ps >/dev/null || missing+=(procps) # docker top asks the host's
  [ -z "$newest" ] || [ -e /usr/include/seccomp.h ] || missing+=(libseccomp-dev) # runc is made of it
  ((${#missing[@]})) || return 0
  step "packages: ${missing[*]}"
  [ "$(id -u)" = 0 ] || die "needs root to install ${missing[*]}"
  command -v apt-get >/dev/null || die "needs ${missing[*]}, and knows only apt-get to install them"
  persistently apt-get update -qq || die "cannot read the package lists"
  export DEBIAN_FRONTEND=noninteractive
  persistently apt-get -o Acquire::Retries=3 -o Dpkg::Lock::Timeout=120 \
    install -y -qq --no-install-recommends "${missing[@]}" >"$cache/apt.log" 2>&1 ||
    die "cannot install ${missing[*]}: $(tail -5 "$cache/apt.log")"
}

tools=$root/tools/docker compose=github.com/docker/compose/v2
[ -z "$newest" ] || tools=$root/tools/engine compose=github.com/docker/compose/v5
version_of() { go list -C "$tools" -m -f '{{.Version}}' "$1"; }

# newest_engine compiles it, with the one program of its own that it needs, and the runc
# that it asks for more than the distribution's knows.
newest_engine() {
  local moby=github.com/moby/moby/v2 version
  version=$(version_of $moby)
  mkdir -p "$newest/bin"
  CGO_ENABLED=0 persistently go build -C "$tools" -trimpath -o "$newest/bin/" -tags "exclude_graphdriver_btrfs no_btrfs" \
    -ldflags "-s -w -X $moby/dockerversion.Version=29-$version" $moby/cmd/dockerd $moby/cmd/docker-proxy || die "cannot build dockerd"
  CGO_ENABLED=1 persistently go build -C "$tools" -trimpath -o "$newest/bin/" -tags seccomp github.com/opencontainers/runc || die "cannot build runc"
}

# plugins_are_there: any, but with ENGINE=newest those that are asked for.
plugins_are_there() {
  docker compose version && docker buildx version || return 1
  [ -z "$newest" ] || [ "v$(docker compose version --short)" = "$(version_of $compose)" ]
}

plugins() {
  if plugins_are_there >/dev/null 2>&1; then
    echo "docker compose $(docker compose version --short), $(docker buildx version)"
    return
  fi
  local buildx=github.com/docker/buildx out=$cache/plugins
  # One build for both: they are made of the same packages.
  CGO_ENABLED=0 persistently go build -C "$tools" -trimpath -o "$out/" -ldflags "-s -w \
    -X $compose/internal.Version=$(version_of $compose) -X $buildx/version.Version=$(version_of $buildx)" \
    $compose/cmd $buildx/cmd/buildx || die "cannot build the plugins of the docker command"
  mkdir -p "$plugins"
  mv "$out/cmd" "$plugins/docker-compose"
  mv "$out/buildx" "$plugins/docker-buildx"
  echo "docker compose $(docker compose version --short), $(docker buildx version)"
}

# no_engine WHY: not to be overlooked in a long log.
no_engine() {
  die "
########################################################################
# THIS MACHINE CANNOT RUN A DOCKER ENGINE, so the images are not checked.
# kernel $(uname -r), root on $(stat -f -c %T /), cgroup $(stat -f -c %T /sys/fs/cgroup), $(iptables --version 2>&1)
########################################################################
$1"
}

# iptables_works COMMAND: whether it can reach the kernel's tables. One of the
# two kinds may not, by the kernel.
iptables_works() { type -P "$1" >/dev/null && "$1" -w -t nat -S >/dev/null 2>&1; }

# prefer_working_iptables puts the kind that works before the other in PATH.
prefer_working_iptables() {
  ! iptables_works iptables || return 0
  iptables_works iptables-legacy || no_engine "cannot reach the kernel's NAT tables: $(iptables -w -t nat -S 2>&1 | head -1)"
  mkdir -p "$cache/legacy"
  ln -sf "$(type -P iptables-legacy)" "$cache/legacy/iptables"
  ln -sf "$(type -P ip6tables-legacy)" "$cache/legacy/ip6tables"
  PATH=$cache/legacy:$PATH
}

mount_cgroups() {
  [ ! -e /sys/fs/cgroup/cgroup.controllers ] && [ ! -e /sys/fs/cgroup/devices ] || return 0
  mount -t cgroup2 none /sys/fs/cgroup || no_engine "cannot mount cgroup2: containers need control groups"
}

start() {
  # The package may just have started one as a service.
  if docker info >/dev/null 2>&1 || { pgrep -x dockerd >/dev/null && patiently 30 docker info; }; then
    [ -z "$newest" ] || [[ $(docker version --format '{{.Server.Version}}') = 29-* ]] || die "another engine runs; stop it first"
    return 0
  fi
  step "docker engine (log: $log)"
  [ "$(id -u)" = 0 ] || no_engine "needs root to start one, or one that is running"
  mount_cgroups
  prefer_working_iptables
  [ -z "$newest" ] || newest_engine
  # Images of an older engine are stored in another way, so its folder is not taken.
  setsid dockerd ${newest:+--data-root="$newest/data"} >"$log" 2>&1 </dev/null &
  echo $! >"$pid_file" # setsid becomes dockerd: a job of a script leads no group
  disown               # it outlives this script
  patiently 90 engine_answers_or_died $! || true
  docker info >/dev/null 2>&1 || no_engine "the end of $log:
$(tail -20 "$log")"
  docker version --format 'docker engine {{.Server.Version}}, client {{.Client.Version}}'
  docker info --format 'storage {{.Driver}}, cgroup {{.CgroupDriver}} v{{.CgroupVersion}}'
}
engine_answers_or_died() { docker info || ! kill -0 "$1"; }

stop() {
  [ -e "$pid_file" ] || return 0
  local pid
  pid=$(cat "$pid_file")
  kill "$pid" 2>/dev/null || true
  patiently 30 none_runs "$pid" || die "dockerd (process $pid) does not end"
  rm "$pid_file"
}

case ${1:-} in
  packages | plugins | start | stop) "$1" ;;
  *) die "engine.sh packages | plugins | start | stop" ;;
esac
