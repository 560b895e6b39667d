# shellcheck shell=bash
# Users, file systems, capabilities, and where secrets must not be.

# processes SERVICE: the host's ids of all its processes.
processes() { docker top "$(container "$1")" -eo pid | tail -n +2; }

processes_run_as_1001() {
  local service pid
  for service in convex platform proxy; do
    for pid in $(processes "$service"); do
      equal "$(awk '/^(Uid|Gid):/ {print $2, $3, $4, $5}' "/proc/$pid/status" | sort -u)" "1001 1001 1001 1001" \
        "$service: ids of $(tr '\0' ' ' <"/proc/$pid/cmdline")"
    done
  done
}

# Convex keeps the bounding set that it was given for taking over the volume; no
# process can use it, as none may gain privileges.
root_is_read_only_and_no_capability_is_left() {
  local service pid
  for service in convex platform proxy; do
    equal "$(inspect "$service" '{{.HostConfig.ReadonlyRootfs}}')" true "$service: read-only root"
    for pid in $(processes "$service"); do
      equal "$(awk '/^(CapPrm|CapEff|CapAmb|NoNewPrivs):/ {printf "%s ", $2}' "/proc/$pid/status")" \
        "0000000000000000 0000000000000000 0000000000000000 1 " "$service: process $pid"
    done
  done
}

# The backend takes --instance-secret by argument and has no other channel for
# it; no other secret may be in a command line, and none in a log.
no_secret_in_logs_or_command_lines() {
  local name service value
  for name in DB_PASSWORD INSTANCE_SECRET BETTER_AUTH_SECRET ENCRYPTION_SECRET_HEX METRICS_BEARER_TOKEN; do
    value=$(setting "$name")
    [ -n "$value" ] || { echo "$name is empty"; return 1; }
    for service in convex platform proxy; do
      ! logs "$service" | grep -qF -- "$value" || { echo "$name is in the log of $service"; return 1; }
      ! docker top "$(container "$service")" -eo pid,args | grep -v 'convex-local-backend' | grep -qF -- "$value" ||
        { echo "$name is in a command line of $service"; return 1; }
    done
  done
}

# owner VOLUME [FILE]: who owns it, asked through a container of its own.
owner() {
  docker run --rm -v "$COMPOSE_PROJECT_NAME"_"$1":/v:ro debian:bookworm-slim stat -c %u:%g "/v/${2:-}"
}

volumes_belong_to_1001() {
  local volume
  for volume in convex-data caddy-data caddy-config proxy-ca; do equal "$(owner "$volume")" 1001:1001 "$volume"; done
}

# An orchestrator that gives neither root nor a capability.
convex_boots_without_root() {
  local name=$COMPOSE_PROJECT_NAME-rootless
  docker rm -fv "$name" >/dev/null 2>&1 || true
  docker run -d --name "$name" --user 1001:1001 --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
    -e SITE_URL="$site" -e INSTANCE_SECRET="$(setting INSTANCE_SECRET)" -e CONVEX_STORAGE=sqlite tale-e2e/tale-convex:e2e
  patiently 30 state_is "$name" healthy || { docker logs "$name" 2>&1 | tail -20; return 1; }
  docker stop -t 20 "$name"
  equal "$(docker inspect -f '{{.State.ExitCode}}' "$name")" 0 "the exit code"
  docker rm -v "$name"
}
state_is() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$1")" = "$2" ]; }

# A volume from the days when convex ran as root.
old_volume_is_taken_over() {
  compose stop convex
  docker run --rm -v "$COMPOSE_PROJECT_NAME"_convex-data:/v debian:bookworm-slim sh -c 'mkdir -p /v/agents && echo "{}" >/v/agents/old.json && chown -R 0:0 /v && chmod 600 /v/agents/old.json'
  compose start convex
  patiently 60 is_healthy convex || { logs convex | tail -20; return 1; }
  equal "$(owner convex-data)" 1001:1001 "the volume"
  equal "$(owner convex-data agents/old.json)" 1001:1001 "an old file"
}
