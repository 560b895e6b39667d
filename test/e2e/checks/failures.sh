# shellcheck shell=bash
# What an operator reads when something is wrong: the container's log, its
# health and its exit code.

# one_off SERVICE NAME=VALUE… -- ARGUMENT…: a container of the service beside
# the stack; its exit code is in $code, what it said in $said.
one_off() {
  local service=$1 options=()
  shift
  while [ "$1" != -- ]; do options+=(-e "$1"); shift; done
  shift
  code=0
  said=$(compose run --rm --no-deps -T "${options[@]}" "$service" "$@") || code=$?
}

# reason: the first line of what the container said about its failure.
reason() { sed -n 's/.* ERROR  *\(said\|cause\) *//p' <<<"$said" | head -1; }

no_env_file_gives_one_sentence() {
  local said code=0 settings=/dev/null
  said=$(compose up -d) || code=$?
  [ "$code" -ne 0 ]
  must "$said" 'make env'
  equal "$(grep -c . <<<"$said")" 1 "the number of lines: $said"
  note "$said"
}

wrong_secret_is_named() {
  one_off platform INSTANCE_SECRET="$(printf '%064d' 7)" -- push
  equal "$code" 77 "the exit code: $said"
  must "$said" 'ERROR .*INSTANCE_SECRET'
  note "exit $code: $(reason)"
}

missing_variables_are_listed_at_once() {
  one_off platform INSTANCE_SECRET= DB_PASSWORD= -- push
  equal "$code" 78 "the exit code: $said"
  must "$said" INSTANCE_SECRET
  must "$said" DB_PASSWORD
}

absent_backend_is_named() {
  one_off platform CONVEX_URL=http://nowhere:3210 CONVEX_WAIT_TIMEOUT=3 -- push
  equal "$code" 69 "the exit code: $said"
  must "$said" 'ERROR +said .*nowhere' # and not only where it says what it starts with
  note "exit $code: $(reason)"
}

wrong_database_password_is_named() {
  one_off convex DB_PASSWORD=not-the-password HOLD_AFTER_FAILURE=0 -- run
  equal "$code" 77 "the exit code: $said"
  must "$said" 'password authentication failed'
  must_not "$said" 'not-the-password'
  note "exit $code: $(reason)"
}

# convex_on OPTION…: a convex of its own, hardened as in the compose file but for
# the options; its exit code is in $code, what it said in $said.
convex_on() {
  code=0
  said=$(docker_limit=30 docker run --rm --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
    -e SITE_URL="$site" -e INSTANCE_SECRET="$(setting INSTANCE_SECRET)" -e CONVEX_STORAGE=sqlite \
    "$@" tale-e2e/tale-convex:e2e 2>&1) || code=$?
}
as_root=(--cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add SETUID --cap-add SETGID)

read_only_volume_is_named() {
  convex_on "${as_root[@]}" --tmpfs /app/data:ro
  equal "$code" 77 "the exit code: $said"
  must "$said" '/app/data: it is on a read-only file system'
  note "exit $code: $(reason)"
}

# A volume lives as long as a container has it, so a second one fills and keeps it.
full_disk_is_named() {
  local name=$COMPOSE_PROJECT_NAME-full project_label=com.docker.compose.project=$COMPOSE_PROJECT_NAME
  docker rm -f "$name" 2>/dev/null || true
  docker volume rm "$name" 2>/dev/null || true
  docker volume create --label "$project_label" --opt type=tmpfs --opt device=tmpfs --opt o=size=64k,uid=1001,gid=1001 "$name"
  docker run -d --name "$name" --label "$project_label" -v "$name:/v" debian:bookworm-slim \
    sh -c 'head -c 1M /dev/zero >/v/fill; exec sleep 300'
  patiently 10 docker exec "$name" test -s /v/fill
  convex_on "${as_root[@]}" -v "$name:/app/data"
  docker rm -f "$name"
  equal "$code" 69 "the exit code: $said"
  must "$said" '/app/data: the disk is full'
  note "exit $code: $(reason)"
}

foreign_volume_is_named() {
  convex_on --user 1001:1001 --tmpfs /app/data:uid=1234,gid=1234,mode=700
  equal "$code" 77 "the exit code: $said"
  must "$said" '/app/data: it belongs to uid 1234 gid 1234'
  must "$said" 'fix .*chown -R 1001:1001'
  note "exit $code: $(reason)"
}

missing_capability_is_named() {
  convex_on -v /app/data
  equal "$code" 77 "the exit code: $said"
  must "$said" 'cap_add: \[SETUID, SETGID\]'
  note "exit $code: $(reason)"
}

# The backend goes away while the platform boots: its health, asked, says so at once.
health_tells_what_a_boot_waits_for() {
  compose stop convex
  compose restart platform
  patiently 30 health_says 'stage wait: convex at CONVEX_URL=http://convex:3210: ' || { docker exec "$(container platform)" platform-entrypoint healthcheck; return 1; }
  compose start convex
  patiently 90 is_healthy platform || { logs platform | tail -20; return 1; }
}
health_says() { must "$(docker exec "$(container platform)" platform-entrypoint healthcheck 2>&1)" "$1"; }
