#!/usr/bin/env bash
# The end-to-end test: the real images in a real Docker engine, on a machine that
# has nothing but Go, Node.js and Debian packages. It makes what is missing
# (engine, base images, images), starts the compose file as an operator would,
# and checks what is listed below. The stack is removed at the end; KEEP=1 keeps it.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
source "$e2e/stack.sh"
source "$e2e/check.sh"
# shellcheck source=/dev/null
for file in "$e2e"/checks/*.sh; do source "$file"; done

# By label: what an earlier run left is removed, whatever its settings were.
remove_stack() {
  local ours="label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"
  docker ps -aq --filter "$ours" | xargs -r docker rm -fv >/dev/null
  docker volume ls -q --filter "$ours" | xargs -r docker volume rm >/dev/null
  docker network ls -q --filter "$ours" | xargs -r docker network rm >/dev/null
}

# A function, so that an edit of this file does not reach a run under way.
main() {
  "$e2e/engine.sh"
  if [ -z "${SKIP_BUILD:-}" ]; then
    "$e2e/bases.sh"
    "$e2e/build.sh"
  fi

  remove_stack
  new_settings
  [ -n "${KEEP:-}" ] || trap remove_stack EXIT

  step "boot"
  check "docker compose up --wait: all healthy within 120 s" boots_cold
  check "the 24 variables are pushed" pushes_24_variables
  check "page, socket, admin API, storage, metrics through the proxy" visit
  check "a second up changes nothing" second_up_is_warm
  check "new containers on old volumes push nothing" new_containers_are_warm
  check "the CLI driver pushes from an image built with WITH_CLI=1" cli_driver_pushes
  check "the platform restarts without touching convex" platform_restart_leaves_convex_alone

  step "settings"
  check "make env writes a file once, for its owner alone" env_file_is_made_once
  check "every variable of the compose file is in .env.example" compose_variables_are_in_the_example
  check "every overlay is valid" overlays_are_valid

  step "hardening"
  check "every process of ours runs as 1001" processes_run_as_1001
  check "read-only root, no capability, no new privileges" root_is_read_only_and_no_capability_is_left
  check "no secret in logs and command lines" no_secret_in_logs_or_command_lines
  check "the volumes belong to 1001" volumes_belong_to_1001
  check "convex boots as 1001 without any capability" convex_boots_without_root
  check "an old root-owned volume is taken over" old_volume_is_taken_over

  step "recovery"
  check "kill -9 of the web server" recovers platform 'bun server.ts'
  check "kill -9 of the backend" recovers convex convex-local-backend
  check "kill -9 of the dashboard" dashboard_recovers
  check "kill -9 of the platform's entrypoint" recovers platform platform-entrypoint
  check "kill -9 of convex's entrypoint" recovers convex convex-entrypoint
  check "kill -9 of the proxy" recovers proxy /usr/local/bin/proxy
  check "convex restarts below a running platform" convex_restarts_below_the_platform

  step "failures"
  check "up without .env: one clear sentence" no_env_file_gives_one_sentence
  check "a wrong INSTANCE_SECRET" wrong_secret_is_named
  check "missing variables, all at once" missing_variables_are_listed_at_once
  check "a backend that is not there" absent_backend_is_named
  check "a wrong database password" wrong_database_password_is_named
  check "a read-only volume" read_only_volume_is_named
  check "a missing capability" missing_capability_is_named
  check "the health tells what a boot waits for" health_tells_what_a_boot_waits_for

  step "stop"
  check "docker compose stop: in time, exit code 0 everywhere" stops_in_time_with_code_0
  check "a stop during the boot is acted on at once" stop_while_booting_is_quick

  step "blue/green"
  check "the stack starts again" boots_cold
  check "two colours boot at the same moment" colours_boot_at_the_same_moment
  check "a switch of colours under load fails no request" switches_without_a_failed_request

  ((failed == 0)) || die "$failed checks failed"
  printf '\nall checks passed in %s s\n' "$SECONDS"
  exit
}

main
