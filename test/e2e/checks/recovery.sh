# shellcheck shell=bash
# Kills and restarts: the stack comes back by itself.

# recovers SERVICE PATTERN: kills the process; a new one serves afterwards.
recovers() {
  local service=$1 pattern=$2 before
  before=$(pid_of "$service" "$pattern")
  [ -n "$before" ] || { echo "no process matches $pattern"; return 1; }
  kill -9 "$before"
  patiently 30 is_new "$service" "$pattern" "$before" || { echo "no new process"; logs "$service" | tail -20; return 1; }
  # The health is checked every 5 seconds: only a check that is younger than the kill counts.
  patiently 30 checked_since "$service" "$(date +%s)" || { echo "$service was not checked again"; return 1; }
  patiently 60 is_healthy "$service" || { echo "$service stays $(health "$service")"; return 1; }
  patiently 30 page_is_there || { echo "the page stays away: $(get / 2>&1 | head -3)"; return 1; }
}

checked_since() {
  local last
  last=$(inspect "$1" '{{range .State.Health.Log}}{{json .Start}}{{"\n"}}{{end}}' | tr -d '"' | sort | tail -1)
  [ -n "$last" ] && [ "$(date -d "$last" +%s)" -gt "$2" ]
}

is_new() {
  local now
  now=$(pid_of "$1" "$2")
  [ -n "$now" ] && [ "$now" != "$3" ]
}

dashboard_recovers() {
  recovers convex 'dashboard/server.js'
  patiently 30 dashboard_is_there
}
dashboard_is_there() { [ "$(get /convex-dashboard -o /dev/null -w '%{http_code}')" = 200 ]; }

convex_restarts_below_the_platform() {
  local before
  before=$(inspect platform '{{.State.Pid}}')
  compose restart convex
  patiently 60 is_healthy convex
  equal "$(inspect platform '{{.State.Pid}}')" "$before" "the platform's process"
  visit
}
