# shellcheck shell=bash
# A requested stop: within its budget, exit code 0 everywhere.

stops_in_time_with_code_0() {
  local began=$SECONDS service
  compose stop
  local took=$((SECONDS - began))
  for service in "${running[@]}"; do
    equal "$(inspect "$service" '{{.State.ExitCode}} {{.State.OOMKilled}}')" "0 false" "$service's end" ||
      { logs "$service" | tail -15; return 1; }
  done
  ((took <= 25)) || { echo "took $took s"; return 1; }
  note "all within $took s"
}

stop_while_booting_is_quick() {
  compose up -d --no-deps db
  compose up -d --no-deps platform # waits for a convex that is not there
  local began=$SECONDS
  compose stop platform
  ((SECONDS - began <= 5)) || { echo "took $((SECONDS - began)) s"; return 1; }
  equal "$(inspect platform '{{.State.ExitCode}}')" 0 "the exit code"
}
