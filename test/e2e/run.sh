#!/usr/bin/env bash
# The end-to-end test: the real images in a real Docker engine, on a machine that
# has nothing but Go, Node.js and Debian packages. It makes what is missing
# (engine, base images, images), starts the compose file as an operator would,
# and checks what is listed below. At the end the stack is removed, and the
# engine stopped if it was not running before; KEEP=1 keeps both.
#
#   run.sh             everything
#   run.sh GROUP…      only these groups of checks (boot comes first in any case):
#                      settings workspace hardening recovery failures stop bluegreen architecture tale
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
source "$e2e/stack.sh"
source "$e2e/check.sh"
# shellcheck source=/dev/null
for file in "$e2e"/checks/*.sh; do source "$file"; done

# By label: what an earlier run left is removed, whatever its settings were.
remove_stack() {
  local ours="label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"
  docker ps -aq --filter "$ours" | xargs -r timeout 60 docker rm -fv >/dev/null
  docker volume ls -q --filter "$ours" | xargs -r timeout 60 docker volume rm >/dev/null
  docker network ls -q --filter "$ours" | xargs -r timeout 60 docker network rm >/dev/null
}

prepare() {
  "$e2e/engine.sh" packages
  aside plugins nice "$e2e/engine.sh" plugins
  aside downloads "$e2e/bases.sh" download
  with_engine
  joined downloads
  joined plugins
  [ -n "${SKIP_BUILD:-}" ] || { "$e2e/bases.sh" build && "$e2e/build.sh"; }
}

boot() {
  check "docker compose up --wait: all healthy within 120 s" boots_cold
  check "the 24 variables are pushed" pushes_24_variables
  check "page, socket, admin API, storage, metrics through the proxy" visit
  check "a second up changes nothing" second_up_is_warm
  check "new containers on old volumes push nothing" new_containers_are_warm
  check "the CLI driver pushes from an image built with WITH_CLI=1" cli_driver_pushes
  check "the platform restarts without touching convex" platform_restart_leaves_convex_alone
  check "a push request of 35 MB" large_request_is_pushed
  check "an upload of 256 MiB does not grow the proxy" upload_does_not_grow_the_proxy
}

settings() {
  check "make env writes a file once, for its owner alone" env_file_is_made_once
  check "every setting of the proxy is handed through" proxy_settings_are_handed_through
  check "the Dockerfiles build their binaries alike" go_stages_are_alike
  check "every overlay is valid" overlays_are_valid
  check "compose reads the files of tale as they are meant" compose_reads_the_files_of_tale
  check "the external database's overlay runs without db" external_database_serves
  check "the development overlay publishes convex on loopback" development_overlay_serves
  check "the Python services' profile waits for convex" python_services_start
}

workspace() {
  check "a member of a bun workspace is built and boots" builds_and_boots bun bun.lock
  check "a member of an npm workspace is built and boots" builds_and_boots npm package-lock.json
  check "a member of a pnpm workspace is built and boots" builds_and_boots pnpm pnpm-lock.yaml
  check "the guestbook takes over again" guestbook_comes_back
}

hardening() {
  check "every process of ours runs as 1001" processes_run_as_1001
  check "read-only root, no capability, no new privileges" root_is_read_only_and_no_capability_is_left
  check "no secret in logs and command lines" no_secret_in_logs_or_command_lines
  check "no secret in docker inspect but in the environment that compose gave" no_secret_in_inspect
  check "the proxy is not given the others' secrets" proxy_has_only_its_own_secrets
  check "the images say what they are, how they stop and when they are healthy" images_describe_themselves
  check "convex leaves out what it does not use of its base" convex_leaves_out_what_it_does_not_use
  check "the volumes belong to 1001" volumes_belong_to_1001
  check "convex boots as 1001 without any capability" convex_boots_without_root
  check "an old root-owned volume is taken over" old_volume_is_taken_over
}

recovery() {
  check "a health check of the database that is killed" killed_health_check_harms_nothing
  check "kill -9 of the web server" recovers platform 'bun server.ts'
  check "kill -9 of the backend" recovers convex convex-local-backend
  check "kill -9 of the dashboard" dashboard_recovers
  check "kill -9 of the platform's entrypoint" recovers platform 'platform-entrypoint$'
  check "kill -9 of convex's entrypoint" recovers convex 'convex-entrypoint$'
  check "kill -9 of the proxy" recovers proxy '/usr/local/bin/proxy$'
  check "kill -9 of the database" recovers db 'postgres -c'
  check "convex restarts below a running platform" convex_restarts_below_the_platform
  check "containers are killed while they boot" kills_during_the_boot_heal
}

failures() {
  check "up without .env: one clear sentence" no_env_file_gives_one_sentence
  check "a wrong INSTANCE_SECRET" wrong_secret_is_named
  check "missing variables, all at once" missing_variables_are_listed_at_once
  check "a backend that is not there" absent_backend_is_named
  check "a wrong database password" wrong_database_password_is_named
  check "a read-only volume" read_only_volume_is_named
  check "a full disk" full_disk_is_named
  check "a volume of another uid" foreign_volume_is_named
  check "a missing capability" missing_capability_is_named
  check "the database: a wrong volume" wrong_volume_is_named
  check "the database: no place for its socket" no_place_for_the_socket_is_named
  check "the database: a volume of another version" another_version_is_named
  check "the database: a folder too high" another_folder_is_named
  check "the database: a volume without a name" unnamed_volume_is_named
  check "the database: two servers on one volume" second_server_is_refused
  check "the database: a volume that keeps its password" kept_password_is_named
  check "the health tells what a boot waits for" health_tells_what_a_boot_waits_for
}

stop() {
  check "docker compose stop: in time, exit code 0 everywhere" stops_in_time_with_code_0
  check "a stop during the boot is acted on at once" stop_while_booting_is_quick
  check "the stack starts again" boots_cold
}

bluegreen() {
  check "two colours boot at the same moment on a new deployment" colours_boot_at_the_same_moment
  check "a switch of colours fails no request and drops no socket" switches_without_a_failed_request
}

architecture() {
  check "the images build for arm64, with nothing emulated" images_build_for_arm64
}

tale() {
  check "no volume has the name of one of an older stack" legacy_names_are_free
  check "package engine against this engine and a registry that fails" engine_tests_pass
  at_end+=(remove_tale)
  check "tale: a first deploy" tale_first_deploy
  check "tale: its databases and its folders" tale_databases
  check "tale: nothing to do touches nothing" tale_noop
  check "tale: an upgrade" tale_upgrade
  check "tale: a roll back" tale_rollback
  check "tale: a release that its own code refuses" tale_refused
  check "tale: a release that is badly configured" tale_misconfigured
  check "tale: a release that crashes again and again" tale_crashes
  check "tale: a release that runs out of memory" tale_out_of_memory
  check "tale: a release that never becomes ready" tale_hangs
  check "tale: an interrupt takes back" tale_interrupted
  check "tale: an override names another image" tale_override
  check "tale: another database takes the place of the bundled one" tale_external_database
  at_end+=("in_stack few remove_tale" "in_stack older remove_tale")
  check "tale: fewer services, with a database elsewhere" in_stack few tale_fewer_services
  check "tale: a stack of the older tool is taken over beside visitors" in_stack older tale_takes_over
  check "tale: and goes back to the images of the older tool" in_stack older tale_goes_back
  check "tale: the Python services rotate alone, and are taken back" in_stack older tale_rotates_python_services
  at_end+=("in_stack kept remove_tale" "in_stack kept remove_drill")
  check "tale: data are backed up and come back" in_stack kept tale_backs_up
  check "tale: the database is killed in a backup and in a restore" in_stack kept tale_loses_postgres
  check "tale: a copy comes from the backup, and goes" in_stack kept tale_drills
  at_end+=("in_stack shared remove_shared")
  check "tale: a database server that others use as well" in_stack shared tale_shares_a_server
  at_end+=("in_stack legacy remove_tale" "in_stack legacy remove_legacy")
  check "tale: volumes of before 0.2.33 are migrated, killed while they are" in_stack legacy tale_migrates
  check "tale: a migration is taken back with its deploy" in_stack legacy tale_migration_is_taken_back
}

# A function, so that an edit of this file does not reach a run under way.
main() {
  local group groups=("$@")
  (($#)) || groups=(settings workspace hardening recovery failures stop bluegreen architecture tale)
  prepare
  remove_stack
  new_settings
  [ -n "${KEEP:-}" ] || at_end+=(remove_stack)
  step boot
  boot
  for group in "${groups[@]}"; do
    [ "$group" != boot ] || continue
    step "$group"
    "$group"
  done
  ((${#failed[@]} == 0)) || die "${#failed[@]} failed: $(printf '\n  %s' "${failed[@]}")"
  printf '\nall checks passed in %s s\n' "$SECONDS"
}

main "$@"
exit
