# shellcheck shell=bash
# The files an operator starts from: .env and the overlays.

env_file_is_made_once() {
  local file
  file=$(mktemp -u "$cache/env-check.XXXXXX")
  sh "$root/deploy/make-env.sh" "$file"
  equal "$(stat -c %a "$file")" 600 "the mode"
  local before
  before=$(sha256sum <"$file")
  must "$(cat "$file")" '^INSTANCE_SECRET=[0-9a-f]{64}$'
  must "$(cat "$file")" '^ENCRYPTION_SECRET_HEX=[0-9a-f]{64}$'
  must "$(sh "$root/deploy/make-env.sh" "$file")" 'stays as it is'
  equal "$(sha256sum <"$file")" "$before" "the file"
  rm "$file"
}

# The proxy gets no env_file, so a setting that the compose file does not name
# would be lost without a word. What is a matter of the container is fixed.
proxy_settings_are_handed_through() {
  local name names marks=() given
  names=$(grep -E '\| [a-z, ]*proxy[a-z, ]* \|$' "$root/docs/environment.md" | cut -d'`' -f2 |
    grep -vxE 'HTTP_PORT|HTTPS_PORT|PROXY_HEALTH_ADDR|PROXY_DATA_DIR|PROXY_CA_EXPORT_DIR|PLATFORM_HEALTH')
  for name in $names; do marks+=("$name=mark-$name"); done
  given=$(with "${marks[@]}" -- compose config --format json | jq -r '.services.proxy.environment | to_entries[] | "\(.key)=\(.value)"')
  for name in $names; do must "$given" "^$name=mark-$name$"; done
  note "$(wc -w <<<"$names") settings"
}

# Dockerfiles cannot share a stage without a newer frontend than some engines
# have, so the three copies of the Go build are compared, but for the binary's name.
go_stages_are_alike() {
  local stage first=
  for stage in platform:platform-entrypoint convex:convex-entrypoint proxy:proxy; do
    stage=$(sed -n '/ AS binary-build$/,/ AS binary$/p' "$root/images/${stage%:*}/Dockerfile" |
      sed -E "s#(/|bin/|out/|BINARIES=)${stage#*:}( |\$)#\1BINARY\2#g")
    must "$stage" 'BINARIES=BINARY'
    equal "$stage" "${first:=$stage}" "a Go stage"
  done
}

# Any text of .env reaches the containers to the letter.
compose_reads_the_files_of_tale() {
  local said
  said=$(cd "$root" && TALE_TEST_ENGINE_IMAGE=tale-e2e/slim go test -count=1 -v -run TestThePluginReadsWhatIsMeant ./internal/tale/compose -args -environments 20) ||
    { echo "$said"; return 1; }
  must "$said" '^--- PASS: TestThePluginReadsWhatIsMeant'
}

overlays_are_valid() {
  local overlay
  for overlay in bluegreen dev external-db; do
    local -a project_files=(-f "$project/docker-compose.yml" -f "$project/compose.$overlay.yml")
    with POSTGRES_URL=postgresql://tale:x@db.example:5432 -- compose config --quiet
  done
  local -a project_files=(-f "$project/docker-compose.yml" -f "$project/compose.external-db.yml")
  must_not "$(with POSTGRES_URL=postgresql://tale:x@db.example:5432 -- compose config --services)" '^db$'
  must "$(compose config --quiet || true)" 'write it into .env'
}

# A Postgres that is not of the project, and one of our image only in that it is
# at hand: the stack's own db does not run.
external_database_serves() {
  local name=$COMPOSE_PROJECT_NAME-elsewhere
  docker rm -fv "$name" 2>/dev/null || true
  compose rm -fs db convex
  local -a project_files=(-f "$project/docker-compose.yml" -f "$project/compose.external-db.yml")
  docker run -d --name "$name" --label "com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --network "${COMPOSE_PROJECT_NAME}_internal" --network-alias elsewhere \
    -e POSTGRES_USER=outside -e POSTGRES_PASSWORD=outside-e2e tale-e2e/tale-db:e2e
  patiently 60 state_is "$name" healthy || { docker logs "$name" 2>&1 | tail; return 1; }
  with 'POSTGRES_URL=postgresql://outside:outside-e2e@elsewhere:5432?sslmode=disable' DB_PASSWORD=not-used -- \
    compose up -d --wait --wait-timeout 120 convex
  must "$(logs convex)" 'elsewhere'
  must_not "$(compose ps --services)" '^db$'
  docker rm -fv "$name"
  local -a project_files=(-f "$project/docker-compose.yml")
  boots_cold
}

development_overlay_serves() {
  local -a project_files=(-f "$project/docker-compose.yml" -f "$project/compose.dev.yml")
  compose up -d --wait --wait-timeout 120 convex
  must "$(curl -sS --max-time 5 http://127.0.0.1:3210/instance_name)" tale_platform
  equal "$(curl -sS --max-time 5 -o /dev/null -w '%{http_code}' http://127.0.0.1:6791/convex-dashboard)" 200 "the dashboard's answer"
  local -a project_files=(-f "$project/docker-compose.yml")
  boots_cold
}

python_services_start() {
  compose --profile python up -d --wait --wait-timeout 60 rag crawler
  compose --profile python rm -fs rag crawler
}
