# shellcheck shell=bash
# Two colours behind one alias: traffic moves without a failed request.

colours_boot_at_the_same_moment() {
  local -a project_files=(-f "$root/docker-compose.yml" -f "$root/compose.bluegreen.yml")
  compose stop platform
  compose up -d --wait --wait-timeout 90 platform-blue platform-green
  local colour
  for colour in blue green; do must "$(logs "platform-$colour")" '24 of 24 variables present'; done
  compose rm -fs platform-blue platform-green
}

switches_without_a_failed_request() {
  local project_files=(-f "$root/docker-compose.yml" -f "$root/compose.bluegreen.yml") load seen
  compose stop platform
  compose rm -f platform
  compose up -d --wait --wait-timeout 90 platform-blue
  patiently 30 page_is_there
  node "$e2e/load.mjs" "$site" 127.0.0.1:18443 4 "$cache/root.crt" >"$cache/load.json" &
  load=$!
  sleep 2 # load on blue alone
  compose up -d --wait --wait-timeout 90 platform-green
  compose stop platform-blue
  equal "$(inspect platform-blue '{{.State.ExitCode}}')" 0 "blue's exit code"
  sleep 2 # load on green alone
  kill -TERM "$load"
  wait "$load"
  seen=$(cat "$cache/load.json")
  echo "$seen"
  [ "$(jq .asked <<<"$seen")" -gt 200 ]
  equal "$(jq .failed <<<"$seen")" 0 "failed requests"
  compose rm -fs platform-blue platform-green >/dev/null
  echo "$(jq .asked <<<"$seen") requests, none failed, the slowest took $(jq .slowest_ms <<<"$seen") ms"
}
