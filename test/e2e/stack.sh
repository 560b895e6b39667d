# shellcheck shell=bash
# The stack under test: its settings, compose, and how to ask it. Sourced.

export COMPOSE_PROJECT_NAME=tale-e2e
# The folder of an operator: the compose files and a .env, nothing else.
project=$cache/project
settings=$project/.env
project_files=(-f "$project/docker-compose.yml")
running=(db convex platform proxy)

# free_port FIRST: the first port from there on that nothing listens on.
free_port() {
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}
http_port=$(free_port 18080)
https_port=$(free_port 18443)
site=https://tale.local:$https_port

# build_arguments: the stand-ins of bases.sh, and the binaries of bin/.
build_arguments() {
  cat <<'ARGUMENTS'
BINARY=prebuilt
SOPS=none
GO_IMAGE=tale-e2e/golang
NODE_IMAGE=tale-e2e/node
BUN_IMAGE=tale-e2e/bun
CONVEX_BACKEND_IMAGE=tale-e2e/convex-backend
CONVEX_DASHBOARD_IMAGE=tale-e2e/convex-dashboard
DB_BASE_IMAGE=tale-e2e/postgres
ARGUMENTS
}

# new_settings writes the stack's .env, with a value for each of the variables
# that the platform pushes.
new_settings() {
  rm -rf "$project"
  mkdir -p "$project"
  cp "$root"/docker-compose.yml "$root"/compose.*.yml "$project"
  sh "$root/deploy/make-env.sh" "$settings" >/dev/null
  build_arguments >>"$settings"
  set_to TALE_REGISTRY tale-e2e
  set_to TALE_VERSION e2e
  set_to SITE_URL "$site"
  set_to PUBLISH_HTTP "$http_port"
  set_to PUBLISH_HTTPS "$https_port"
  set_to BASE_PATH /
  set_to OPERATOR_URL http://operator:8004
  set_to SEARCH_SERVICE_URL http://search:8080
  set_to AUTH_MICROSOFT_ENTRA_ID_ISSUER https://login.example/e2e
  set_to TRUSTED_HEADERS_ENABLED false
  set_to DEBUG_MODE false
  local name
  for name in AUTH_MICROSOFT_ENTRA_ID_{ID,SECRET,TENANT_ID} TRUSTED_HEADERS_INTERNAL_SECRET SOPS_AGE_KEY{,_FILE} \
    TRUSTED_{EMAIL,NAME,ROLE,TEAMS}_HEADER; do
    set_to "$name" "e2e-${name//_/-}"
  done
}

# set_to NAME VALUE: the line is in .env.example, and so it is here.
set_to() { sed -i "s|^$1=.*|$1=$2|" "$settings"; }

# setting NAME: a value of the stack's .env.
setting() { sed -n "s/^$1=//p" "$settings" | tail -1; }

# As an operator at a shell of their own: nothing of ours but PATH and HOME. What
# compose says of its progress would bury the reason of a failure.
compose() {
  timeout --kill-after=5 "${docker_limit:-180}" env -i "${reaching[@]}" "${overrides[@]}" \
    docker compose --progress quiet --project-directory "$project" -p "$COMPOSE_PROJECT_NAME" "${project_files[@]}" --env-file "$settings" "$@" 2>&1
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
  docker cp "$(container proxy):/ca/root.crt" "$cache/root.crt" >/dev/null && echo "$cache/root.crt"
}

# get PATH [CURL-OPTION…]: the page as a visitor outside sees it.
get() {
  local path=$1
  shift
  curl -sS --max-time 10 --resolve "tale.local:$https_port:127.0.0.1" --cacert "$cache/root.crt" "$@" "$site$path"
}
page_is_there() { [ "$(get / -o /dev/null -w '%{http_code}')" = 200 ]; }

# visit runs the demo's checks through the proxy: page, sockets, admin API, …
visit() {
  INSTANCE_NAME=tale_platform INSTANCE_SECRET=$(setting INSTANCE_SECRET) SITE_URL=$site \
    METRICS_BEARER_TOKEN=$(setting METRICS_BEARER_TOKEN) \
    "$root/bin/demo" visit --root "$(root_certificate)" --connect "127.0.0.1:$https_port"
}

# pid_of SERVICE PATTERN: the host's id of a process of the service. A health check is the
# same program with an argument, and may have the lower id.
pid_of() { docker top "$(container "$1")" -eo pid,args | awk -v p="$2" 'NR > 1 && $0 ~ p {print $1; exit}'; }
