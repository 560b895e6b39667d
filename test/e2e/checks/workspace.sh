# shellcheck shell=bash
# An app that is a member of a workspace, by each package manager.

# What of the packages gets into the image: what the server imports and what that
# needs, of the app itself and of the member that it is linked with.
server_packages='@opentelemetry/api @pinojs/redact atomic-sleep bintrees hono on-exit-leak-free pino pino-abstract-transport pino-std-serializers process-warning prom-client quick-format-unescaped real-require safe-stable-stringify sonic-boom split2 tdigest thread-stream zod'

# workspace_of MANAGER: a build context with the example as this manager has it, and
# a member that the app does not know.
workspace_of() {
  local context=$cache/workspace-$1 example
  example=$context/examples/workspace
  rm -rf "$context"
  mkdir -p "$context/bin" "$context/images/platform" "$context/examples"
  cp "$root/bin/platform-entrypoint" "$context/bin"
  cp "$root/images/platform/packages.sh" "$context/images/platform"
  git -C "$root" ls-files -z examples/workspace | (cd "$root" && xargs -0 cp --parents -t "$context")
  mkdir "$example/packages/unused"
  echo '{"name":"@workspace/unused","private":true,"dependencies":{"ms":"2.1.3"}}' >"$example/packages/unused/package.json"
  date +%N >"$example/packages/unused/now" # nothing is cached, so that the build says what it does
  cd "$example"
  case $1 in
    bun) "$cache/bun/node_modules/bun/bin/bun.exe" install --silent --lockfile-only ;;
    npm)
      rm bun.lock bunfig.toml
      sed -i 's/"workspace:\*"/"*"/' services/web/package.json
      npm install --silent --package-lock-only
      ;;
    pnpm)
      rm bun.lock bunfig.toml
      sed -i '/"workspaces"/d' package.json
      printf 'packages: [packages/*, services/*]\nallowBuilds: { bun: true, esbuild: true }\n' >pnpm-workspace.yaml
      npx --yes "pnpm@$(sed -n "s/.*PNPM_VERSION=//p" "$root/images/platform/Dockerfile")" install --silent --lockfile-only
      ;;
  esac
}

# builds_and_boots MANAGER LOCK: the image has what it should and nothing else, and
# the stack comes up with it.
builds_and_boots() {
  local arguments said files
  (workspace_of "$1")
  mapfile -t arguments < <(build_arguments | sed 's/^/--build-arg=/')
  said=$(docker_limit=600 docker buildx build --load --progress plain --tag "tale-e2e/tale-platform:$1" --file "$root/images/platform/Dockerfile" \
    --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt "${arguments[@]}" --build-arg CONTEXT=examples/workspace --build-arg APP=services/web "$cache/workspace-$1" 2>&1) ||
    { echo "$said" | tail -30; return 1; }
  must "$said" "packages: $2"
  files=$(image_files "tale-e2e/tale-platform:$1")
  equal "$(grep -oP 'node_modules/\K(@[^/]+/)?[^/.@][^/]*(?=/package.json$)' <<<"$files" | sort -u | xargs)" "$server_packages" "the packages"
  equal "$(grep -oP '^app/(packages|services)/[^/]+(?=/$)' <<<"$files" | sort | xargs)" "app/packages/shared app/services/web" "the members"
  with "TALE_VERSION=$1" -- compose up -d --no-deps --wait --wait-timeout 120 platform
  must "$(logs platform)" 'stage deploy done .*driver native'
  patiently 10 page_is_there # the proxy looks once a second
  must "$(get /)" '<title>Notes</title>'
  equal "$(get /limits.json | jq .longestNote)" 200 "what the server has of the other member"
  note "$(docker image inspect -f '{{.Size}}' "tale-e2e/tale-platform:$1" | numfmt --to=si)"
}

# image_files IMAGE: the names below /app.
image_files() {
  local container
  container=$(docker create "$1")
  docker export "$container" | tar -t | grep '^app/'
  docker rm "$container" >/dev/null
}

guestbook_comes_back() {
  compose up -d --no-deps --wait --wait-timeout 120 platform
  patiently 20 page_is_there
}
