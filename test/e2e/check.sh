# shellcheck shell=bash
# How checks are run and reported. Sourced. A check is a function that returns
# non-zero, or dies, when the stack does not do what its name says; what it
# prints is shown when it failed.
failed=0

check() {
  local name=$1 began=$EPOCHREALTIME output status
  shift
  # Not "|| status=$?": that would switch set -e off inside the check.
  set +e
  output=$(set -euo pipefail; "$@" 2>&1)
  status=$?
  set -e
  local took
  took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}')
  if ((status == 0)); then
    printf '  ok    %-64s %6s s  %s\n' "$name" "$took" "$(tail -1 <<<"$output")"
  else
    printf '  FAIL  %-64s %6s s\n%s\n' "$name" "$took" "$(sed 's/^/        /' <<<"$output" | tail -30)"
    failed=$((failed + 1))
  fi
}

# must TEXT SAYS: the text has a line that matches.
must() { grep -qE -- "$2" <<<"$1" || { printf 'nothing says /%s/ in:\n%s\n' "$2" "$1"; return 1; }; }
must_not() { ! grep -E -- "$2" <<<"$1"; }
equal() { [ "$1" = "$2" ] || { echo "${3:-the value} is \"$1\" instead of \"$2\""; return 1; }; }
