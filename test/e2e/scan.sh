#!/usr/bin/env bash
# Scans the images as the release pipeline does, where trivy is installed.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

type -P trivy >/dev/null || die "cannot scan: trivy is not installed (https://trivy.dev); the release pipeline scans in any case"
with_engine
docker image inspect tale-e2e/tale-{platform,convex,proxy,db}:e2e >/dev/null 2>&1 || die 'no images: run "make e2e" first'
for service in platform convex proxy db; do
  step "scan $service"
  trivy image --quiet --severity CRITICAL --ignore-unfixed --exit-code 1 "tale-e2e/tale-$service:e2e"
done
