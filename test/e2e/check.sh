# shellcheck shell=bash
# How checks are run and reported. Sourced. A check is a function that returns
# non-zero, or dies, when the stack does not do what its name says; what it
# prints is shown when it failed, with the state of the containers.
# The names of those that did not pass.
failed=()
# No run takes longer, whatever the single limits add up to.
run_limit=${E2E_LIMIT:-1500}

check() {
  local name=$1 began=$EPOCHREALTIME output status
  ((SECONDS < run_limit)) || die "the run took longer than $run_limit s; before \"$name\" ${#failed[@]} checks had failed"
  shift
  # Not "|| status=$?": that would switch set -e off inside the check.
  set +e
  output=$(set -euo pipefail; at_end=(); "$@" 2>&1)
  status=$?
  set -e
  local took
  took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}')
  if ((status == 0)); then
    printf '  ok    %-68s %6s s  %s\n' "$name" "$took" "$(sed -n 's/^note: //p' <<<"$output" | tail -1)"
  else
    printf '  FAIL  %-68s %6s s\n%s\n' "$name" "$took" "$(sed 's/^/        /' <<<"$output" | tail -30)"
    state_of_the_stack | sed 's/^/        | /'
    failed+=("$name")
  fi
}

# What an operator would look at first.
state_of_the_stack() {
  local name
  for name in $(docker ps -a --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --format '{{.Names}}'); do
    docker inspect -f '{{.Name}}: {{.State.Status}}, exit code {{.State.ExitCode}}, restarts {{.RestartCount}}{{with .State.Health}}, {{.Status}}{{end}}' "$name"
    docker logs --tail 15 "$name" 2>&1 | cut -c1-300 | sed 's/^/    /'
  done
}

# note TEXT: what is worth a place in the report of a check that passed.
note() { echo "note: $*"; }
# must TEXT SAYS: the text has a line that matches.
must() { grep -qE -- "$2" <<<"$1" || { printf 'nothing says /%s/ in:\n%s\n' "$2" "$1"; return 1; }; }
must_not() { ! grep -E -- "$2" <<<"$1"; }
equal() { [ "$1" = "$2" ] || { echo "${3:-the value} is \"$1\" instead of \"$2\""; return 1; }; }
