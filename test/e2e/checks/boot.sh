# shellcheck shell=bash
# A first and a second start, and what a visitor gets.

boots_cold() {
  compose up -d --wait --wait-timeout 120
  local service
  for service in "${running[@]}"; do equal "$(health "$service")" healthy "$service"; done
}

ready_in() { note "$(logs platform | grep -o 'platform is ready boot_took=[^ ]*' | tail -1)"; }

pushes_24_variables() {
  local said
  said=$(logs platform)
  must "$said" 'stage env done .*24 of 24 variables present: 24 new'
  must "$said" 'platform is ready'
  ready_in
}

second_up_is_warm() {
  local service
  local -A before=()
  for service in "${running[@]}"; do before[$service]=$(inspect "$service" '{{.Id}} {{.State.StartedAt}}'); done
  compose up -d --wait --wait-timeout 60
  for service in "${running[@]}"; do
    equal "$(inspect "$service" '{{.Id}} {{.State.StartedAt}}')" "${before[$service]}" "the container of $service"
  done
}

# The containers are new, the volumes are not: nothing is pushed.
new_containers_are_warm() {
  compose down
  compose up -d --wait --wait-timeout 120
  local said
  said=$(logs platform)
  must "$said" '24 of 24 variables present: 0 new, 0 updated, 24 unchanged, 0 removed'
  must_not "$said" 'stage=finish_push'
  ready_in
}

# An image built with WITH_CLI=1 can leave the push to the app's own convex CLI.
cli_driver_pushes() {
  local said code=0
  said=$(with TALE_VERSION=cli -- compose run --rm --no-deps -T -e CONVEX_DEPLOY_DRIVER=cli -e CONVEX_FORCE_PUSH=true platform push) || code=$?
  equal "$code" 0 "the exit code: $said"
  must "$said" 'push stage done stage=finish_push .*status=200'
  note "$(grep -o 'stage deploy done.*' <<<"$said")"
}

platform_restart_leaves_convex_alone() {
  local before after
  before=$(inspect convex '{{.State.Pid}} {{.State.StartedAt}}')$(pid_of convex convex-local-backend)
  compose restart platform
  patiently 60 is_healthy platform
  after=$(inspect convex '{{.State.Pid}} {{.State.StartedAt}}')$(pid_of convex convex-local-backend)
  equal "$after" "$before" "the convex container"
  patiently 20 page_is_there
}

large_request_is_pushed() {
  local said code=0 folder=$cache/large
  mkdir -p "$folder"
  docker cp "$(container platform):/app/push-request.json" - | tar -xO | node "$e2e/large-request.mjs" "$folder/push-request.json" 35
  [ "$(stat -c %s "$folder/push-request.json")" -ge 35000000 ]
  said=$(compose run --rm --no-deps -T -v "$folder:/request:ro" -e CONVEX_PUSH_REQUEST=/request/push-request.json platform push) || code=$?
  rm -r "$folder"
  equal "$code" 0 "the exit code: $said"
  must "$said" 'push stage done stage=finish_push .*status=200'
  note "$(grep -o 'stage=start_push.*' <<<"$said"), $(grep -o 'stage deploy done took=[^ ]*' <<<"$said")"
}

# resident SERVICE PATTERN: the most memory that the process ever had, in kB.
resident() { awk '/^VmHWM:/ {print $2}' "/proc/$(pid_of "$1" "$2")/status"; }

# system_function KIND NAME ARGS: what the dashboard's Files tab asks.
system_function() {
  get "/api/$1" -H "Authorization: Convex $(compose exec -T convex convex-entrypoint admin-key)" -H 'Content-Type: application/json' \
    -d "{\"path\": \"_system/frontend/fileStorageV2:$2\", \"args\": $3, \"format\": \"json\"}"
}

# The file goes through as it comes: neither the body nor the answer is held.
upload_does_not_grow_the_proxy() {
  local before after said id url
  before=$(resident proxy '/usr/local/bin/proxy$')
  url=$(system_function mutation generateUploadUrl '{}' | jq -r .value)
  said=$(head -c 268435456 /dev/zero | get "/api/storage/${url##*/}" --max-time 60 -H 'Content-Type: application/octet-stream' \
    -H 'Expect:' -T - -X POST -w ' %{speed_upload}')
  id=$(jq -r .storageId <<<"${said% *}")
  url=$(system_function query getFile "{\"storageId\": \"$id\"}" | jq -r .value.url)
  equal "$(get "/api/storage/${url##*/}" --max-time 60 | wc -c)" 268435456 "the bytes that came back"
  after=$(resident proxy '/usr/local/bin/proxy$')
  ((after - before <= 30000)) || { echo "the proxy grew from $before to $after kB"; return 1; }
  note "$((${said##* } / 1000000)) MB/s, the proxy grew by $(((after - before) / 1000)) MB to $((after / 1000))"
}
