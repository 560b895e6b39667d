# shellcheck shell=bash
# What all scripts of the end-to-end test share. Sourced, not run.
set -euo pipefail

e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$e2e/../.." && pwd)
# Everything that is made or downloaded and worth keeping between runs.
cache=${TALE_E2E_CACHE:-$HOME/.cache/tale-e2e}
# ENGINE=newest: the engine and the plugins of tools/engine/go.mod, in the place of the
# distribution's and those of tools/docker/go.mod.
newest=
if [ "${ENGINE:-}" = newest ]; then
  newest=$cache/newest
  export DOCKER_CONFIG=$newest/config PATH=$newest/bin:$PATH
fi
mkdir -p "$cache"
# The part of the environment by which a command reaches the engine.
reaching=(PATH="$PATH" HOME="$HOME" ${DOCKER_HOST:+DOCKER_HOST="$DOCKER_HOST"} ${DOCKER_CONFIG:+DOCKER_CONFIG="$DOCKER_CONFIG"})

step() { printf '\n=== %s (%(%H:%M:%S)T)\n' "$1" -1; }
die() { printf 'e2e: %s\n' "$*" >&2; exit 1; }

# No question to the engine may hang for good; a build gets longer by docker_limit.
docker() { timeout --kill-after=5 "${docker_limit:-120}" docker "$@"; }

# patiently LIMIT COMMAND…: tries until the command succeeds, at most LIMIT
# seconds, then says what it waited for.
patiently() {
  local limit=$1 deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { echo "waited $limit s in vain for: $*"; return 1; }
    sleep 0.2
  done
}

# persistently COMMAND…: three attempts, for what reaches into a network.
persistently() {
  local attempt
  for attempt in 1 2 3; do
    ! "$@" || return 0
    echo "attempt $attempt of 3 failed: $*" >&2
    sleep $((attempt * 3))
  done
  return 1
}

# aside NAME COMMAND…: runs it beside the rest, with a log of its own.
declare -A aside_jobs=()
aside() {
  local name=$1
  shift
  "$@" >"$cache/$name.log" 2>&1 &
  aside_jobs[$name]=$!
}

# joined NAME: waits for what was put aside; its failure is ours.
joined() {
  step "waiting for $1 (log: $cache/$1.log)"
  wait "${aside_jobs[$1]}" || die "$1 failed; the end of its log:
$(tail -20 "$cache/$1.log")"
  tail -1 "$cache/$1.log"
}

# with_engine: an engine answers from here to the script's end. One that runs
# already is used and stays; KEEP=1 keeps one of ours, too.
with_engine() {
  ! docker info >/dev/null 2>&1 || return 0
  [ -n "${KEEP:-}" ] || at_end+=("$e2e/engine.sh stop")
  "$e2e/engine.sh" start
}

# descendants PID: the processes below it, of whatever group, as each timeout leads one, but
# not in a session of their own, as an engine that stays.
descendants() {
  local child
  for child in $(pgrep -P "$1" -s 0 || true); do
    echo "$child"
    descendants "$child"
  done
}

# end_what_runs: a check that an interrupt left running would make anew what is removed. What
# outlives TERM has lost its parent by then, so it is known from before.
end_what_runs() {
  local signal running=() below
  for signal in TERM KILL; do
    mapfile -t below < <(descendants $$)
    running+=("${below[@]}")
    kill -"$signal" "${running[@]}" 2>/dev/null || true
    ! patiently 20 none_runs "${running[@]}" >/dev/null || return 0
  done
}
none_runs() { ! kill -0 "$@"; }

# What is to be done at the script's end, the last first.
at_end=()
clean_up() {
  local index
  end_what_runs
  for ((index = ${#at_end[@]} - 1; index >= 0; index--)); do ${at_end[index]} || true; done
}
trap clean_up EXIT
