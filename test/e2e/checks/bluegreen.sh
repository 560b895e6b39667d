# shellcheck shell=bash
# Two colours behind one alias: traffic moves without a failed request.

# Both find a deployment where nothing was ever pushed, and push.
colours_boot_at_the_same_moment() {
  local -a project_files=(-f "$project/docker-compose.yml" -f "$project/compose.bluegreen.yml")
  compose rm -fs platform convex
  docker volume rm "${COMPOSE_PROJECT_NAME}_convex-data"
  compose up -d --wait --wait-timeout 90 platform-blue platform-green
  local colour said pushes=0
  for colour in blue green; do
    said=$(logs "platform-$colour")
    must "$said" '24 of 24 variables present'
    must "$said" 'platform is ready'
    ! grep -q 'push stage done stage=finish_push .*status=200' <<<"$said" || pushes=$((pushes + 1))
  done
  ((pushes >= 1)) || { echo "no colour pushed"; return 1; }
  compose rm -fs platform-blue platform-green
  note "$pushes of the two pushed"
}

switches_without_a_failed_request() {
  local -a project_files=(-f "$project/docker-compose.yml" -f "$project/compose.bluegreen.yml")
  local load sockets address=127.0.0.1:$https_port seen held
  compose rm -fs platform
  compose up -d --wait --wait-timeout 90 platform-blue
  patiently 30 page_is_there
  root_certificate
  timeout 150 node "$e2e/load.mjs" "$site" "$address" 4 "$cache/root.crt" / /favicon.svg >"$cache/load.json" &
  load=$!
  timeout 150 node "$e2e/sockets.mjs" "$site" "$address" 20 "$cache/root.crt" >"$cache/sockets.json" 2>"$cache/sockets.err" &
  sockets=$!
  patiently 15 grep -q open "$cache/sockets.err" || { cat "$cache/sockets.err"; return 1; }
  sleep 2 # load on blue alone
  compose up -d --wait --wait-timeout 90 platform-green
  compose stop platform-blue
  equal "$(inspect platform-blue '{{.State.ExitCode}}')" 0 "blue's exit code"
  sleep 2 # load on green alone
  kill -TERM "$load" "$sockets"
  # One that its time limit has ended has not seen the rest.
  wait "$load"
  wait "$sockets"
  seen=$(cat "$cache/load.json") held=$(cat "$cache/sockets.json")
  echo "$seen $held"
  [ "$(jq .asked <<<"$seen")" -gt 200 ]
  equal "$(jq .failed <<<"$seen")" 0 "failed requests"
  equal "$(jq -c '[.opened, (.closed | length)]' <<<"$held")" "[20,0]" "sockets opened and closed"
  compose rm -fs platform-blue platform-green >/dev/null
  note "$(jq .asked <<<"$seen") requests, none failed, the slowest took $(jq .slowest_ms <<<"$seen") ms; 20 sockets stayed"
}
