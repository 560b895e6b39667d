# shellcheck shell=bash
# The tale command and its parts.

# The Go tests that need a real engine; each removes what it makes.
engine_tests_pass() {
  local said
  said=$(cd "$root" && TALE_TEST_ENGINE_IMAGE=tale-e2e/slim timeout 600 nice go test -tags nobadger,nomysql,nopgx -count=1 -v -run '^TestReal' ./internal/tale/... 2>&1) ||
    { grep -vE '^(=== |--- PASS|PASS|ok |testing: warning)' <<<"$said"; return 1; }
  must "$said" '^--- PASS: TestReal'
}

# The command in a project of its own, whose releases are the images under other versions.

tale_first=tale-e2e-command-000001 # the ids of other projects begin with it, and their ports are the same
tale_id=$tale_first
tale_dir=$cache/tale-project
tale_registry=tale-e2e/releases
tale_port=$(free_port 19443)
tale_http=$(free_port 19080)

# run_tale ARGUMENT…: as an operator at a shell of their own. What it says is in $said, its
# exit code in $code.
run_tale() {
  code=0
  said=$(cd "$tale_dir" && timeout --kill-after=5 120 env -i "${reaching[@]}" "$root/bin/tale" "$@" 2>&1) || code=$?
}
# tale_must CODE ARGUMENT…: which ends with this code.
tale_must() {
  local want=$1
  shift
  run_tale "$@"
  equal "$code" "$want" "the exit code of tale $*, which said: $said"
}
# serves VERSION: this release answers, and it alone.
serves() {
  equal "$(docker ps --filter "label=dev.tale.project=$tale_id" --filter label=dev.tale.service=platform --format '{{.Label "dev.tale.version"}}')" "$1" "the version that serves"
  equal "$(curl -sS --max-time 10 -o /dev/null -w '%{http_code}' -k --resolve "tale.local:$tale_port:127.0.0.1" "https://tale.local:$tale_port/")" 200 "the page's status"
}
running_ids() { docker ps -q --no-trunc --filter "label=dev.tale.project=$tale_id" | sort; }

# release VERSION [LINES]: the images of a version; the platform with more in its Dockerfile.
release() {
  local service
  for service in db convex proxy platform; do
    release_of "$service" "$1" "tale-e2e/tale-$service:e2e" "$([ "$service" != platform ] || printf '%s\n' "${2:-}")"
  done
}
# release_of SERVICE VERSION BASE [LINES]: one of them.
release_of() {
  printf 'FROM %s\nENV TALE_VERSION=%s\nLABEL org.opencontainers.image.version=%s\n%s\n' "$3" "$2" "$2" "${4:-}" |
    docker build -q -t "$tale_registry/tale-$1:$2" - >/dev/null
}

remove_tale() {
  local image
  docker ps -aq --filter "name=^/$tale_id-" | xargs -r timeout 60 docker rm -fv >/dev/null
  docker volume ls -q --filter "name=^${tale_id}_" | xargs -r timeout 60 docker volume rm >/dev/null
  docker network ls -q --filter "name=^${tale_id}_" | xargs -r timeout 60 docker network rm >/dev/null
  for image in $(docker images --format '{{.Repository}}:{{.Tag}}' | grep "^$tale_registry/" || true); do docker rmi -f "$image" >/dev/null; done
}

# new_project SERVICE…: a project with these services, in its folder, without a trace of
# an earlier one, and with the ports for itself.
new_project() {
  (tale_id=$tale_first remove_tale)
  remove_tale
  rm -rf "$tale_dir"
  mkdir -p "$tale_dir"
  jq -n '{version: 1, id: $id, services: $ARGS.positional}' --arg id "$tale_id" --args "$@" >"$tale_dir/tale.json"
  sh "$root/deploy/make-env.sh" "$tale_dir/.env" >/dev/null
  sed -i -e "s|^SITE_URL=.*|SITE_URL=https://tale.local:$tale_port|" -e "s|^PUBLISH_HTTPS=.*|PUBLISH_HTTPS=$tale_port|" \
    -e "s|^PUBLISH_HTTP=.*|PUBLISH_HTTP=$tale_http|" -e "s|^TALE_REGISTRY=.*|TALE_REGISTRY=$tale_registry|" -e 's|^TALE_VERSION=.*|TALE_VERSION=1.0.0|' "$tale_dir/.env"
  release 1.0.0
  release 1.0.1
}

tale_first_deploy() {
  new_project db convex platform proxy
  tale_must 0 deploy --yes
  serves 1.0.0
}

# The databases are there as the image made them, through the engine; so are the folders.
tale_databases() {
  tale_must 0 db status
  must "$said" 'search_path public_web, private_knowledge, public'
  tale_must 0 db init
  must_not "$said" '^made '
  mkdir -p "$tale_dir/agents" "$cache/tale-migrations"
  printf '%s\n' '-- migrate:up' 'CREATE TABLE private_knowledge.e2e ();' '-- migrate:down' >"$cache/tale-migrations/1_e2e.sql"
  tale_must 0 db migrate --dir "$cache/tale-migrations"
  must "$said" '1 migration applied to tale_knowledge'
  tale_must 0 db migrate --dir "$cache/tale-migrations"
  must "$said" 'nothing to do'
  echo '{}' >"$tale_dir/agents/e2e.json"
  tale_must 10 deploy --dry-run
  tale_must 0 deploy
  equal "$(docker exec "$tale_id-convex" stat -c '%u:%g' /app/data/agents/e2e.json)" 1001:1001 'the owner of what was delivered'
  tale_must 0 files
  must "$said" 'nothing differs'
  rm -r "$tale_dir/agents"
}

tale_noop() {
  local before
  before=$(running_ids)
  tale_must 0 deploy
  must "$said" 'nothing to do'
  tale_must 0 deploy --dry-run
  tale_must 10 deploy --dry-run --version 1.0.1
  equal "$(running_ids)" "$before" "the containers"
}

tale_upgrade() {
  tale_must 0 deploy --version 1.0.1
  serves 1.0.1
}

tale_rollback() {
  tale_must 0 rollback
  serves 1.0.0
}

# tale_fails NAME CODE SAYS LINES [OPTION…]: a release whose platform does not come up.
tale_fails() {
  local version=$1 want=$2 says=$3 lines=$4 before
  shift 4
  release "$version" "$lines"
  before=$(running_ids)
  tale_must "$want" deploy --version "$version" "$@"
  must "$said" "$says"
  equal "$(running_ids)" "$before" "the containers"
  serves 1.0.0
}
tale_refused() { tale_fails 1.0.65 65 'exit code 65' 'ENTRYPOINT ["/bin/sh", "-c", "exit 65"]'; }
tale_misconfigured() { tale_fails 1.0.78 1 'exit code 78' 'ENV CONVEX_WAIT_TIMEOUT=none'; }
tale_crashes() { tale_fails 1.0.2 1 'ended 3 times' 'ENTRYPOINT ["/bin/sh", "-c", "exit 3"]'; }
tale_hangs() { tale_fails 1.0.3 1 'not ready' 'ENTRYPOINT ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"]' --timeout 4s; }
# The limit is the override's, which counts for this release alone.
tale_out_of_memory() {
  printf 'services: {platform: {mem_limit: 48m, memswap_limit: 48m}}\n' >"$tale_dir/compose.override.yml"
  at_end+=("rm -f $tale_dir/compose.override.yml")
  tale_fails 1.0.4 1 'out of memory' 'ENTRYPOINT ["/bin/sh", "-c", "head -c 200m /dev/zero | tail"]'
  rm "$tale_dir/compose.override.yml"
}

tale_interrupted() {
  local before pid
  release 1.0.5 'ENTRYPOINT ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"]'
  before=$(running_ids) code=0
  (cd "$tale_dir" && exec "$root/bin/tale" deploy --version 1.0.5) >/dev/null 2>&1 &
  pid=$!
  patiently 30 eval "docker ps --format '{{.Image}}' | grep -q 'tale-platform:1.0.5'"
  kill -INT "$pid" # tale sets a handler, so that a shell's ignoring of it in the background does not last
  wait "$pid" || code=$?
  equal "$code" 130 "the exit code"
  equal "$(running_ids)" "$before" "the containers"
}

tale_override() {
  printf 'services: {platform: {image: %s/tale-platform:1.0.1}}\n' "$tale_registry" >"$tale_dir/compose.override.yml"
  tale_must 0 deploy --yes
  must "$(docker ps --format '{{.Image}}' --filter "label=dev.tale.project=$tale_id")" 'tale-platform:1.0.1'
  rm "$tale_dir/compose.override.yml"
  tale_must 0 deploy --yes
  serves 1.0.0
}

# Another Postgres, in the network of the project; the bundled one goes, its volume stays.
tale_external_database() {
  docker run -d --name "$tale_id-elsewhere" --network "${tale_id}_internal" --network-alias elsewhere \
    -e POSTGRES_USER=outside -e POSTGRES_PASSWORD=outside-e2e tale-e2e/tale-db:e2e >/dev/null
  patiently 60 state_is "$tale_id-elsewhere" healthy
  echo 'POSTGRES_URL=postgresql://outside:outside-e2e@elsewhere:5432?sslmode=disable' >>"$tale_dir/.env"
  tale_must 0 deploy --yes
  serves 1.0.0
  must_not "$(docker ps -a --format '{{.Names}}')" "^$tale_id-db\$"
  docker volume inspect "${tale_id}_db-data" >/dev/null
  must "$(docker logs "$tale_id-convex" 2>&1)" elsewhere
}
