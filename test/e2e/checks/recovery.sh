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

# As an engine does that loses patience with a check, while the database is too busy to
# answer: what the check leaves is a child of Postgres.
killed_health_check_harms_nothing() {
  local db server check
  db=$(container db) server=$(inspect db '{{.State.Pid}}')
  patiently 60 is_healthy db
  kill -STOP "$server"
  docker exec -d "$db" sh /usr/local/bin/tale-db-healthcheck # by its command line it is known
  check=$(patiently 10 pgrep -f '^sh /usr/local/bin/tale-db-healthcheck' && pgrep -o -f '^sh /usr/local/bin/tale-db-healthcheck') || check=
  patiently 10 pgrep -P "${check:-0}" || check=
  [ -z "$check" ] || kill -9 "$check"
  kill -CONT "$server"
  [ -n "$check" ] || { echo "no check ran"; return 1; }
  patiently 20 eval "! pgrep -f '^sh /usr/local/bin/tale-db-healthcheck'"
  patiently 30 docker exec "$db" tale-db-healthcheck
  must_not "$(docker logs "$db" 2>&1)" 'terminating any other active server processes'
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
  patiently 10 visit # the proxy looks by itself, and may not have seen it yet
}

# Whatever dies while the stack comes up, in whatever order: what ran is started
# again by its restart policy, and an operator's next up completes the rest. The
# order is another one in each run; it is shown.
kills_during_the_boot_heal() {
  local turn service pid up order=()
  local -A killed=()
  compose down
  compose up -d &
  up=$!
  for turn in 1 2 3 4 5 6 7 8; do
    sleep "1.$((RANDOM % 10))"
    service=${running[RANDOM % ${#running[@]}]}
    pid=$(inspect "$service" '{{.State.Pid}}' 2>/dev/null || echo 0)
    ((pid == 0)) || { order+=("$service"); killed[$service]=$pid; kill -9 "$pid" || true; }
  done
  wait "$up" || true
  echo "killed: ${order[*]}"
  ((${#order[@]} > 0))
  # The engine waits longer before each restart, and compose gives up on a
  # container that it finds between two of them.
  for service in "${!killed[@]}"; do
    patiently 60 runs_again "$service" "${killed[$service]}"
  done
  boots_cold
  patiently 10 visit
  note "killed: ${order[*]}"
}

# runs_again SERVICE PID: another process is its main one by now.
runs_again() {
  local status pid
  read -r status pid <<<"$(inspect "$1" '{{.State.Status}} {{.State.Pid}}')"
  [ "$status" = running ] && [ "$pid" != "$2" ]
}
