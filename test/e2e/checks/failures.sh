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
  echo "$said"
}

wrong_secret_is_named() {
  one_off platform INSTANCE_SECRET="$(printf '%064d' 7)" -- push
  equal "$code" 77 "the exit code"
  must "$said" 'INSTANCE_SECRET'
  reason
}

missing_variables_are_listed_at_once() {
  one_off platform INSTANCE_SECRET= DB_PASSWORD= -- push
  equal "$code" 78 "the exit code: $said"
  must "$said" INSTANCE_SECRET
  must "$said" DB_PASSWORD
}

absent_backend_is_named() {
  one_off platform CONVEX_URL=http://nowhere:3210 CONVEX_WAIT_TIMEOUT=3 -- push
  equal "$code" 69 "the exit code"
  must "$said" 'nowhere'
  reason
}

wrong_database_password_is_named() {
  one_off convex DB_PASSWORD=not-the-password -- run
  equal "$code" 77 "the exit code: $said"
  must "$said" 'password authentication failed'
  must_not "$said" 'not-the-password'
  reason
}

read_only_volume_is_named() {
  code=0
  said=$(docker run --rm --read-only --tmpfs /tmp --cap-drop ALL --cap-add CHOWN --cap-add SETUID --cap-add SETGID \
    --tmpfs /app/data:ro -e SITE_URL="$site" -e INSTANCE_SECRET="$(setting INSTANCE_SECRET)" -e CONVEX_STORAGE=sqlite \
    tale-e2e/tale-convex:e2e 2>&1) || code=$?
  equal "$code" 77 "the exit code: $said"
  must "$said" '/app/data: it is on a read-only file system'
  echo "exit $code: $(reason)"
}

missing_capability_is_named() {
  code=0
  said=$(docker run --rm --read-only --tmpfs /tmp --cap-drop ALL -v /app/data -e SITE_URL="$site" \
    -e INSTANCE_SECRET="$(setting INSTANCE_SECRET)" -e CONVEX_STORAGE=sqlite tale-e2e/tale-convex:e2e 2>&1) || code=$?
  equal "$code" 77 "the exit code: $said"
  must "$said" 'cap_add: \[SETUID, SETGID\]'
  echo "exit $code: $(reason)"
}

# The backend goes away while the platform boots: its health says so.
health_tells_what_a_boot_waits_for() {
  compose stop convex
  compose restart platform
  patiently 30 health_says 'stage wait: http://convex:3210: ' || { inspect platform '{{json .State.Health.Log}}'; return 1; }
  inspect platform '{{range .State.Health.Log}}{{.Output}}{{"\n"}}{{end}}' | tail -2
  compose start convex
  patiently 90 is_healthy platform || { logs platform | tail -20; return 1; }
  inspect platform '{{range .State.Health.Log}}{{.Output}}{{"\n"}}{{end}}' | grep -m1 -E 'stage wait: '
}
health_says() { inspect platform '{{range .State.Health.Log}}{{.Output}}{{end}}' | grep -qE "$1"; }
