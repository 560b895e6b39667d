# shellcheck shell=bash
# The images for the other architecture, of which nothing can be run here.

# The stand-ins only say that they are of arm64; without the loader, no program of
# theirs can be run, as on a machine that does not emulate.
images_build_for_arm64() {
  local service name
  for name in slim bun convex-backend convex-dashboard postgres; do
    docker buildx build --load --quiet --platform linux/arm64 --tag "tale-e2e/arm64-$name" - <<DOCKERFILE
FROM --platform=linux/amd64 tale-e2e/$name AS amd64
USER 0
RUN rm /lib64/ld-linux-x86-64.so.2
FROM scratch
COPY --from=amd64 / /
DOCKERFILE
  done
  build_for_arm64 db db DB_BASE_IMAGE=tale-e2e/arm64-postgres
  build_for_arm64 proxy proxy
  build_for_arm64 convex convex CONVEX_BACKEND_IMAGE=tale-e2e/arm64-convex-backend CONVEX_DASHBOARD_IMAGE=tale-e2e/arm64-convex-dashboard
  build_for_arm64 platform platform BASE_IMAGE=tale-e2e/arm64-slim BUN_IMAGE=tale-e2e/arm64-bun
  build_for_arm64 platform cli BASE_IMAGE=tale-e2e/arm64-slim BUN_IMAGE=tale-e2e/arm64-bun WITH_CLI=1
  for service in proxy:proxy convex:convex-entrypoint platform:platform-entrypoint; do
    is_arm64 "${service%:*}" "/usr/local/bin/${service#*:}"
  done
  is_arm64 cli /app/node_modules/@esbuild/linux-arm64/bin/esbuild
}

# build_for_arm64 SERVICE TAG [NAME=VALUE…]: the tag is tale-e2e/arm64:TAG.
build_for_arm64() {
  local service=$1 tag=$2 arguments
  shift 2
  mapfile -t arguments < <(build_arguments)
  arguments+=(BIN=bin/arm64 "$@")
  docker_limit=600 docker buildx build --load --quiet --platform linux/arm64 --tag "tale-e2e/arm64:$tag" \
    --file "$root/images/$service/Dockerfile" "${arguments[@]/#/--build-arg=}" "$root"
  equal "$(docker image inspect -f '{{.Os}}/{{.Architecture}}' "tale-e2e/arm64:$tag")" linux/arm64 "the platform of $tag"
}

# is_arm64 TAG FILE: by the machine that its ELF header names.
is_arm64() {
  local container file=$cache/arm64-file
  container=$(docker create --platform linux/arm64 "tale-e2e/arm64:$1")
  docker cp "$container:$2" "$file" >/dev/null
  docker rm "$container" >/dev/null
  equal "$(od -An -tx1 -j18 -N2 "$file")" " b7 00" "the machine of $2 in $1"
  rm "$file"
}
