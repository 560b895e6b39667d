# shellcheck shell=bash
# A first and a second start, and what a visitor gets.

boots_cold() {
  compose up -d --wait --wait-timeout 120
  local service
  for service in "${running[@]}"; do equal "$(health "$service")" healthy "$service"; done
}

pushes_24_variables() {
  local said
  said=$(logs platform)
  must "$said" 'stage env done .*24 of 24 variables present: 24 new'
  must "$said" 'platform is ready'
  grep -o 'platform is ready boot_took=[^ ]*' <<<"$said"
}

second_up_is_warm() {
  local before after
  before=$(inspect platform '{{.Id}} {{.State.StartedAt}}')
  compose up -d --wait --wait-timeout 60
  after=$(inspect platform '{{.Id}} {{.State.StartedAt}}')
  equal "$after" "$before" "the platform container"
}

# The containers are new, the volumes are not: nothing is pushed.
new_containers_are_warm() {
  compose down
  compose up -d --wait --wait-timeout 120
  local said
  said=$(logs platform)
  must "$said" '24 of 24 variables present: 0 new, 0 updated, 24 unchanged, 0 removed'
  must_not "$said" 'stage=finish_push'
  grep -o 'platform is ready boot_took=[^ ]*' <<<"$said"
}

# An image built with WITH_CLI=1 can leave the push to the app's own convex CLI.
cli_driver_pushes() {
  local said code=0
  said=$(with TALE_VERSION=cli -- compose run --rm --no-deps -T -e CONVEX_DEPLOY_DRIVER=cli -e CONVEX_FORCE_PUSH=true platform push) || code=$?
  equal "$code" 0 "the exit code: $said"
  must "$said" 'push stage done stage=finish_push .*status=200'
  grep -o 'stage deploy done.*' <<<"$said"
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
