# shellcheck shell=bash
# Users, file systems, capabilities, and where secrets must not be.

# processes SERVICE: the host's ids of its main process and all below it. The
# engine's health probes, which come and go beside it, are not among them.
processes() {
  local main
  main=$(inspect "$1" '{{.State.Pid}}')
  ((main > 0)) || { echo "$1 does not run" >&2; return 1; }
  family "$main"
}
family() {
  local pid
  for pid; do
    echo "$pid"
    # shellcheck disable=SC2046
    family $(pgrep -P "$pid")
  done
}

processes_run_as_1001() {
  local service pid pids
  for service in convex platform proxy; do
    pids=$(processes "$service")
    [ "$service" = proxy ] || [ "$(wc -w <<<"$pids")" -gt 1 ] || { echo "$service: only its main process was found"; return 1; }
    for pid in $pids; do
      equal "$(awk '/^(Uid|Gid):/ {print $2, $3, $4, $5}' "/proc/$pid/status" | sort -u)" "1001 1001 1001 1001" \
        "$service: ids of $(tr '\0' ' ' <"/proc/$pid/cmdline")"
    done
  done
  pids=$(processes db)
  for pid in $pids; do must_not "$(grep -E '^(Uid|Gid):' "/proc/$pid/status")" '[[:space:]]0([[:space:]]|$)'; done
}

# Convex keeps the bounding set that it was given for taking over the volume; no
# process can use it, as none may gain privileges.
root_is_read_only_and_no_capability_is_left() {
  local service pid pids
  for service in "${running[@]}"; do
    equal "$(inspect "$service" '{{.HostConfig.ReadonlyRootfs}}')" true "$service: read-only root"
    pids=$(processes "$service")
    for pid in $pids; do
      equal "$(awk '/^(CapPrm|CapEff|CapAmb|NoNewPrivs):/ {printf "%s ", $2}' "/proc/$pid/status")" \
        "0000000000000000 0000000000000000 0000000000000000 1 " "$service: process $pid"
    done
  done
}

secrets=(DB_PASSWORD INSTANCE_SECRET BETTER_AUTH_SECRET ENCRYPTION_SECRET_HEX METRICS_BEARER_TOKEN)

# The backend takes --instance-secret and the URL of its database by argument and has no
# other channel for them; no other secret may be in a command line, and none in a log.
no_secret_in_logs_or_command_lines() {
  local service said
  for service in "${running[@]}"; do
    said=$(logs "$service")
    reveals_nothing "the log of $service" "$said"
    said=$(docker top "$(container "$service")" -eo pid,args)
    reveals_nothing "a command line of $service" "$(grep -v convex-local-backend <<<"$said")"
  done
  said=$(docker top "$(container convex)" -eo pid,args)
  local -a secrets=(BETTER_AUTH_SECRET ENCRYPTION_SECRET_HEX METRICS_BEARER_TOKEN)
  reveals_nothing "the backend's command line" "$(grep convex-local-backend <<<"$said")"
}

# reveals_nothing WHERE TEXT
reveals_nothing() {
  local name value
  [ -n "$2" ] || { echo "$1 is empty"; return 1; }
  for name in "${secrets[@]}"; do
    value=$(setting "$name")
    [ -n "$value" ] || { echo "$name is empty"; return 1; }
    ! grep -qF -- "$value" <<<"$2" || { echo "$name is in $1"; return 1; }
  done
}

# Compose has no other place for a container's environment; labels, mounts,
# health output and the images must not repeat it.
no_secret_in_inspect() {
  local service described
  for service in "${running[@]}"; do
    described=$(docker inspect "$(container "$service")" | jq 'del(.[].Config.Env)')
    reveals_nothing "what docker inspect says about $service" "$described"
    described=$(docker image inspect "tale-e2e/tale-$service:e2e"; docker history --no-trunc "tale-e2e/tale-$service:e2e")
    reveals_nothing "the image of $service" "$described"
  done
}

proxy_has_only_its_own_secrets() {
  local -a secrets=(DB_PASSWORD INSTANCE_SECRET BETTER_AUTH_SECRET ENCRYPTION_SECRET_HEX)
  reveals_nothing "the proxy's environment" "$(inspect proxy '{{json .Config.Env}}')"
}

images_describe_themselves() {
  local service described
  for service in "${running[@]}"; do
    described=$(docker image inspect "tale-e2e/tale-$service:e2e")
    jq -e --arg title "tale-$service" --arg version e2e '.[0].Config |
      .Labels["org.opencontainers.image.title"] == $title and .Labels["org.opencontainers.image.version"] == $version and
      .Labels["org.opencontainers.image.source"] != null and .Labels["org.opencontainers.image.licenses"] == "MIT" and
      .Healthcheck.Test[0] == "CMD" and .StopSignal == (if $title == "tale-db" then "SIGINT" else "SIGTERM" end) and
      (.User == "1001:1001" or $title == "tale-db" or $title == "tale-convex") and (.Entrypoint | length) == 1' <<<"$described" >/dev/null ||
      { echo "tale-$service: $(jq -c '.[0].Config | {User, Labels, Healthcheck, StopSignal, Entrypoint}' <<<"$described")"; return 1; }
  done
}

# Of the backend's base, convex leaves out the compiler's libraries and the volume.
convex_leaves_out_what_it_does_not_use() {
  local base left
  base=$(docker run --rm --entrypoint find tale-e2e/convex-backend /usr/lib -name 'libclang*')
  [ -n "$base" ] || { echo "the base has nothing of the compiler"; return 1; }
  left=$(docker run --rm --entrypoint find tale-e2e/tale-convex:e2e /usr/lib -name 'libclang*')
  equal "$left" "" "what is left of the compiler"
  equal "$(docker image inspect -f '{{json .Config.Volumes}}' tale-e2e/tale-convex:e2e)" '{"/app/data":{}}' "the volumes"
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
