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

# Every variable that the compose file reads can be found in .env.example, but
# for those that it sets itself or that only tests need.
compose_variables_are_in_the_example() {
  local name missing=
  for name in $(grep -ohE '\$\{[A-Z0-9_]+' "$root"/docker-compose.yml "$root"/compose.*.yml | tr -d '{$' | sort -u); do
    grep -q "^#\? \?$name=" "$root/.env.example" || missing+=" $name"
  done
  equal "$missing" "" "what is missing in .env.example"
}

overlays_are_valid() {
  local overlay
  for overlay in bluegreen dev external-db; do
    local -a project_files=(-f "$root/docker-compose.yml" -f "$root/compose.$overlay.yml")
    with POSTGRES_URL=postgresql://tale:x@db.example:5432 -- compose config --quiet
  done
  local -a project_files=(-f "$root/docker-compose.yml" -f "$root/compose.external-db.yml")
  must_not "$(with POSTGRES_URL=postgresql://tale:x@db.example:5432 -- compose config --services)" '^db$'
  must "$(compose config --quiet || true)" 'write it into .env'
}
