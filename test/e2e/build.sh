#!/usr/bin/env bash
# Builds the real Dockerfiles on the stand-ins of bases.sh, with the binaries of
# bin/ (make build). The images are named tale-e2e/tale-SERVICE:e2e.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

build() {
  local service=$1 began=$SECONDS
  shift
  step "image $service"
  docker build --quiet --tag "tale-e2e/tale-$service:${E2E_TAG:-e2e}" --file "$root/images/$service/Dockerfile" \
    --build-arg BINARY=prebuilt --build-arg GO_IMAGE=tale-e2e/golang --build-arg VERSION="${E2E_TAG:-e2e}" \
    "$@" "$root" >/dev/null
  echo "$service: $((SECONDS - began)) s"
}

(($#)) || set -- db convex platform proxy
for service; do
  case $service in
    db) build db --build-arg DB_BASE_IMAGE=tale-e2e/postgres ;;
    convex) build convex --build-arg SOPS=none \
      --build-arg CONVEX_BACKEND_IMAGE=tale-e2e/convex-backend --build-arg CONVEX_DASHBOARD_IMAGE=tale-e2e/convex-dashboard ;;
    platform)
      app=(--build-arg NODE_IMAGE=tale-e2e/node --build-arg BUN_IMAGE=tale-e2e/bun
        --secret "id=ca,src=/etc/ssl/certs/ca-certificates.crt")
      build platform "${app[@]}"
      E2E_TAG=cli build platform "${app[@]}" --build-arg WITH_CLI=1
      ;;
    proxy) build proxy ;;
    *) die "unknown image $service: db, convex, platform or proxy" ;;
  esac
done
