# shellcheck shell=bash
# The stack under test: its settings, compose, and how to ask it. Sourced.

export COMPOSE_PROJECT_NAME=tale-e2e
settings=$cache/env
project_files=(-f "$root/docker-compose.yml")
site=https://tale.local:18443
running=(db convex platform proxy)

# new_settings writes the stack's .env, with a value for each of the variables
# that the platform pushes.
new_settings() {
  rm -f "$settings"
  sh "$root/deploy/make-env.sh" "$settings" >/dev/null
  sed -i -e "s|^SITE_URL=.*|SITE_URL=$site|" -e 's|^PUBLISH_HTTP=.*|PUBLISH_HTTP=18080|' \
    -e 's|^PUBLISH_HTTPS=.*|PUBLISH_HTTPS=18443|' -e 's|^TALE_VERSION=.*|TALE_VERSION=e2e|' \
    -e 's|^BASE_PATH=.*|BASE_PATH=/|' "$settings"
  local name
  for name in AUTH_MICROSOFT_ENTRA_ID_ID AUTH_MICROSOFT_ENTRA_ID_SECRET AUTH_MICROSOFT_ENTRA_ID_TENANT_ID \
    TRUSTED_HEADERS_INTERNAL_SECRET SOPS_AGE_KEY; do
    sed -i "s|^$name=.*|$name=e2e-$name|" "$settings"
  done
  for name in EMAIL NAME ROLE TEAMS; do sed -i "s|^TRUSTED_${name}_HEADER=.*|TRUSTED_${name}_HEADER=X-Auth-$name|" "$settings"; done
  sed -i -e 's|^TRUSTED_HEADERS_ENABLED=.*|TRUSTED_HEADERS_ENABLED=false|' -e 's|^OPERATOR_URL=.*|OPERATOR_URL=http://operator:8004|' \
    -e 's|^AUTH_MICROSOFT_ENTRA_ID_ISSUER=.*|AUTH_MICROSOFT_ENTRA_ID_ISSUER=https://login.example/e2e|' "$settings"
  printf '%s\n' TALE_REGISTRY=tale-e2e DEBUG_MODE=false SOPS_AGE_KEY_FILE=/app/data/age.key >>"$settings"
}

# setting NAME: a value of the stack's .env.
setting() { sed -n "s/^$1=//p" "$settings" | tail -1; }

# As an operator at a shell of their own: nothing of ours but PATH and HOME.
compose() {
  env -i PATH="$PATH" HOME="$HOME" ${DOCKER_HOST:+DOCKER_HOST="$DOCKER_HOST"} "${overrides[@]}" \
    docker compose --project-directory "$root" -p "$COMPOSE_PROJECT_NAME" "${project_files[@]}" --env-file "$settings" "$@" 2>&1
}
overrides=()
# with NAME=VALUE… -- COMMAND…: the command with other settings.
with() {
  local -a overrides=()
  while [ "$1" != -- ]; do overrides+=("$1"); shift; done
  shift
  "$@"
}

container() { echo "$COMPOSE_PROJECT_NAME-$1-1"; }
inspect() { docker inspect -f "$2" "$(container "$1")"; }
health() { inspect "$1" '{{.State.Health.Status}}'; }
is_healthy() { [ "$(health "$1")" = healthy ]; }
# logs SERVICE: everything its present container has said.
logs() { docker logs "$(container "$1")" 2>&1; }

# root_certificate writes the proxy's root certificate and prints the file's name.
root_certificate() {
  docker cp -q "$(container proxy):/ca/root.crt" "$cache/root.crt" && echo "$cache/root.crt"
}

# get PATH [CURL-OPTION…]: the page as a visitor outside sees it.
get() {
  local path=$1
  shift
  curl -sS --max-time 10 --resolve tale.local:18443:127.0.0.1 --cacert "$cache/root.crt" "$@" "$site$path"
}
page_is_there() { [ "$(get / -o /dev/null -w '%{http_code}')" = 200 ]; }

# visit runs the demo's checks through the proxy: page, sockets, admin API, …
visit() {
  INSTANCE_NAME=tale_platform INSTANCE_SECRET=$(setting INSTANCE_SECRET) SITE_URL=$site \
    METRICS_BEARER_TOKEN=$(setting METRICS_BEARER_TOKEN) \
    "$root/bin/demo" visit --root "$(root_certificate)" --connect 127.0.0.1:18443
}

# pid_of SERVICE PATTERN: the host's id of a process of the service.
pid_of() { docker top "$(container "$1")" -eo pid,args | awk -v p="$2" 'NR > 1 && $0 ~ p {print $1; exit}'; }
