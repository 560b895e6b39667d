# shellcheck shell=bash
# What all scripts of the end-to-end test share. Sourced, not run.
set -euo pipefail

e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$e2e/../.." && pwd)
# Everything that is made or downloaded and worth keeping between runs.
cache=${TALE_E2E_CACHE:-$HOME/.cache/tale-e2e}
mkdir -p "$cache"

step() { printf '\n=== %s (%(%H:%M:%S)T)\n' "$1" -1; }
die() { printf 'e2e: %s\n' "$*" >&2; exit 1; }

# patiently LIMIT COMMAND…: tries until the command succeeds, at most LIMIT seconds.
patiently() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}
