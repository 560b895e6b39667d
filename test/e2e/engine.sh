#!/usr/bin/env bash
# Brings up what a machine lacks of a Docker engine: the engine, and the two
# plugins of the command line, which are compiled because the distribution has
# none. Needs root, apt and Go; does nothing where everything is there.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

compose_version=v2.40.3
buildx_version=v0.29.1
plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins

install_packages() {
  local missing=()
  command -v docker >/dev/null && command -v dockerd >/dev/null || missing+=(docker.io)
  command -v iptables >/dev/null || missing+=(iptables)
  command -v debootstrap >/dev/null || missing+=(debootstrap)
  command -v curl >/dev/null || missing+=(curl)
  command -v jq >/dev/null || missing+=(jq)
  ((${#missing[@]})) || return 0
  step "packages: ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

start_engine() {
  ! docker info >/dev/null 2>&1 || return 0
  step "docker engine (log: $cache/dockerd.log)"
  setsid dockerd >"$cache/dockerd.log" 2>&1 </dev/null &
  echo $! >"$cache/dockerd.pid"
  patiently 60 docker info || die "cannot start dockerd; the end of its log: $(tail -3 "$cache/dockerd.log")"
}

# plugin NAME PACKAGE@VERSION [GO-FLAG…] builds a command line plugin through a
# scratch module, with the exact dependencies of its release.
plugin() {
  local name=$1 package=${2%@*} version=${2#*@}
  shift 2
  ! docker "$name" version >/dev/null 2>&1 || return 0
  step "docker $name $version (a few minutes, once)"
  local module=$cache/plugin-$name
  mkdir -p "$module" "$plugins"
  (
    cd "$module"
    [ -e go.mod ] || go mod init scratch
    go get -tool "$package@$version"
    CGO_ENABLED=0 nice go build "$@" -o "$plugins/docker-$name" "$package"
  ) >"$module/log" 2>&1 || die "cannot build docker $name: $(tail -3 "$module/log")"
}

install_packages
start_engine
plugin compose "github.com/docker/compose/v2/cmd@$compose_version" \
  -ldflags "-X github.com/docker/compose/v2/internal.Version=$compose_version"
plugin buildx "github.com/docker/buildx/cmd/buildx@$buildx_version" \
  -ldflags "-X github.com/docker/buildx/version.Version=$buildx_version"
docker version --format 'docker engine {{.Server.Version}}, client {{.Client.Version}}'
