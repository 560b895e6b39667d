# shellcheck shell=bash
# The tale command with other stacks than the four services of tale.sh, whose functions
# it uses.

# in_stack NAME COMMAND…: the command in a project of that name.
in_stack() {
  local tale_id=$tale_id-$1 tale_dir=$tale_dir-$1 tale_registry=$tale_registry-$1
  shift
  "$@"
}

# Neither the bundled database nor the Python services; the database is a Postgres on the
# host, as far as the stack can tell.
tale_fewer_services() {
  local gateway port elsewhere=$tale_id-elsewhere
  new_project convex platform proxy
  gateway=$(docker network inspect -f '{{(index .IPAM.Config 0).Gateway}}' bridge)
  docker run -d --name "$elsewhere" -p "$gateway::5432" -e POSTGRES_USER=outside -e POSTGRES_PASSWORD=outside-e2e tale-e2e/tale-db:e2e >/dev/null
  port=$(docker port "$elsewhere" 5432)
  patiently 60 state_is "$elsewhere" healthy
  printf '%s\n' "POSTGRES_URL=postgresql://outside:outside-e2e@host.docker.internal:${port##*:}?sslmode=disable" SHUTDOWN_DRAIN_SECONDS=2 >>"$tale_dir/.env"
  tale_must 0 deploy --yes
  serves 1.0.0
  equal "$(docker ps -a --filter "label=dev.tale.project=$tale_id" --format '{{.Names}}' | sort | xargs)" \
    "$tale_id-convex $tale_id-platform-blue $tale_id-proxy" "the containers"
  must_not "$(docker volume ls -q)" "^${tale_id}_(db|rag|crawler)-"
  must "$(docker logs "$tale_id-convex" 2>&1)" host.docker.internal
  tale_must 0 deploy --all --version 1.0.1
  serves 1.0.1
  tale_must 64 deploy --services rag
  remove_tale
}

# What the older tool's compose files make: no labels of ours, all of .env for everybody,
# the volumes and the network made by hand, the web application of the shell entrypoints.
# Our images stand in for the others, of which that of the database has to be told what
# the older one knew by itself.
older_compose_files() {
  local volume common='env_file: [.env], restart: unless-stopped, logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}'
  local outside="extra_hosts: [\"host.docker.internal:host-gateway\"]" networks="networks: {internal: {external: true, name: ${tale_id}_internal}}"
  {
    printf 'services:\n'
    printf '  db: {image: %s/tale-db:0.9.0, container_name: %s-db, %s, environment: {POSTGRES_USER: tale, POSTGRES_PASSWORD: "${DB_PASSWORD}"}, stop_grace_period: 60s, shm_size: 256mb, volumes: ["db-data:/var/lib/postgresql/data", "db-backup:/var/lib/postgresql/backup"], networks: [internal]}\n' \
      "$tale_registry" "$tale_id" "$common"
    printf '  proxy: {image: %s/tale-proxy:0.9.0, container_name: %s-proxy, %s, %s, ports: ["%s:80", "%s:443"], volumes: ["caddy-data:/data", "caddy-config:/config"], networks: {internal: {aliases: [tale.local]}}}\n' \
      "$tale_registry" "$tale_id" "$common" "$outside" "$tale_http" "$tale_port"
    printf '  convex: {image: %s/tale-convex:0.9.0, container_name: %s-convex, %s, %s, depends_on: {db: {condition: service_healthy}}, volumes: ["convex-data:/app/data", "caddy-data:/caddy-data:ro"], networks: [internal]}\n' \
      "$tale_registry" "$tale_id" "$common" "$outside"
    printf 'volumes:\n'
    for volume in db-data db-backup caddy-data caddy-config convex-data; do printf '  %s: {external: true, name: %s_%s}\n' "$volume" "$tale_id" "$volume"; done
    printf '%s\n' "$networks"
  } >"$tale_dir/stateful.yml"
  {
    printf 'services:\n'
    older_colour_of platform 3000/api/health '' 'convex-data:/app/data:ro'
    older_colour_of rag 8001/health 'rag, ' 'rag-data:/app/data", "convex-data:/app/platform-config:ro'
    older_colour_of crawler 8002/health 'crawler, ' 'crawler-data:/app/data", "convex-data:/app/platform-config:ro'
    printf 'volumes:\n'
    for volume in convex-data rag-data crawler-data; do printf '  %s: {external: true, name: %s_%s}\n' "$volume" "$tale_id" "$volume"; done
    printf '%s\n' "$networks"
  } >"$tale_dir/colour.yml"
}
older_colour_of() {
  printf '  %s-blue: {image: %s/tale-%s:0.9.0, container_name: %s-%s-blue, %s, %s, volumes: ["%s"], healthcheck: {test: ["CMD-SHELL", "curl -sf http://localhost:%s"], interval: 5s, timeout: 3s, retries: 3, start_period: 40s}, networks: {internal: {aliases: [%s, %s-blue]}}}\n' \
    "$1" "$tale_registry" "$1" "$tale_id" "$1" "$common" "$outside" "$4" "$2" "$1" "$1"
}

# beside_visitors COMMAND…: while the site is asked again and again; no request may fail.
beside_visitors() {
  local load seen
  docker cp "$tale_id-proxy:/ca/root.crt" "$tale_dir/root.crt" >/dev/null
  timeout 110 node "$e2e/load.mjs" "https://tale.local:$tale_port" "127.0.0.1:$tale_port" 4 "$tale_dir/root.crt" / >"$tale_dir/load.json" &
  load=$!
  "$@"
  kill -TERM "$load"
  wait "$load"
  seen=$(cat "$tale_dir/load.json")
  [ "$(jq .asked <<<"$seen")" -gt 100 ] || { echo "too few requests: $seen"; return 1; }
  equal "$(jq .failed <<<"$seen")" 0 "the failed requests, of $seen"
  note "$(jq .asked <<<"$seen") requests, none failed, the slowest took $(jq .slowest_ms <<<"$seen") ms"
}

page() { curl -sS --max-time 10 -k --resolve "tale.local:$tale_port:127.0.0.1" "https://tale.local:$tale_port/"; }
shell_page_is_there() { page | grep 'another make, version 0.9.0'; }
# identity SERVICE…: which containers these are.
identity() { local service; for service; do docker inspect -f '{{.Name}} {{.Id}} {{.State.StartedAt}}' "$tale_id-$service"; done; }

tale_takes_over() {
  local name before
  new_project db convex platform proxy rag crawler
  for name in db convex proxy rag crawler; do release_of "$name" 0.9.0 "tale-e2e/tale-$name:e2e"; done
  release_of platform 0.9.0 tale-e2e/tale-platform:shell
  for name in rag crawler; do
    release_of "$name" 1.0.0 "tale-e2e/tale-$name:e2e"
    release_of "$name" 1.0.1 "tale-e2e/tale-$name:e2e"
  done
  # The older tool's notes are not believed, so it does not matter that they are wrong.
  mkdir "$tale_dir/.tale"
  printf green >"$tale_dir/.tale/deployment-color"
  printf 0.8.0 >"$tale_dir/.tale/deployment-previous-version"
  sed -i -e /^TALE_VERSION=/d -e '$aSHUTDOWN_DRAIN_SECONDS=2' "$tale_dir/.env" # its .env names no release
  for name in db-data db-backup caddy-data caddy-config convex-data rag-data crawler-data; do
    docker volume create --label "project=$tale_id" "${tale_id}_$name" >/dev/null
  done
  docker network create --label "project=$tale_id" "${tale_id}_internal" >/dev/null
  older_compose_files
  (cd "$tale_dir" && docker compose --progress quiet -p "$tale_id" -f stateful.yml up -d --wait && docker compose --progress quiet -p "$tale_id-blue" -f colour.yml up -d --wait)
  patiently 30 shell_page_is_there
  tale_must 0 status
  before=$(identity db proxy)
  beside_visitors tale_must 0 deploy --yes --version 1.0.0
  serves 1.0.0
  equal "$(identity db proxy)" "$before" "what does not rotate"
}

# By the journal, which noted what it found, and by the version alone, as with a lost journal.
tale_goes_back() {
  local before
  before=$(identity db proxy convex)
  tale_must 78 rollback
  must "$said" 'accept-data-loss'
  tale_must 78 rollback --dry-run
  must "$said" 'accept-data-loss'
  tale_must 10 rollback --dry-run --accept-data-loss
  beside_visitors tale_must 0 rollback --accept-data-loss
  shell_page_is_there
  equal "$(docker ps --filter "name=^/$tale_id-platform-" --format '{{.Image}}')" "$tale_registry/tale-platform:0.9.0" "the image that serves"
  tale_must 0 deploy --version 1.0.0
  rm -r "$tale_dir/.tale"
  beside_visitors tale_must 0 rollback --version 0.9.0 --accept-data-loss
  shell_page_is_there
  equal "$(identity db proxy convex)" "$before" "what does not rotate"
}

tale_rotates_python_services() {
  local before
  tale_must 0 deploy --version 1.0.0
  before=$(identity db proxy convex crawler-green platform-green)
  tale_must 0 deploy --services rag --version 1.0.1
  equal "$(identity db proxy convex crawler-green platform-green)" "$before" "what was not named"
  equal "$(docker ps --filter "name=^/$tale_id-rag-" --format '{{.Names}} {{.Image}}')" "$tale_id-rag-blue $tale_registry/tale-rag:1.0.1" "what was"
  release_of crawler 1.0.2 tale-e2e/tale-crawler:e2e 'ENTRYPOINT ["/bin/false"]'
  before=$(running_ids)
  tale_must 1 deploy --services crawler --version 1.0.2
  must "$said" 'crawler-blue did not become ready: it has ended 3 times'
  equal "$(running_ids)" "$before" "the containers"
  remove_tale
}
