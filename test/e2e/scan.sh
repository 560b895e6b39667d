#!/usr/bin/env bash
# Scans the images as the release pipeline does, where trivy is installed.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

command -v trivy >/dev/null || die "needs trivy: see https://trivy.dev for how to install it"
for service in platform convex proxy db; do
  step "scan $service"
  trivy image --quiet --severity CRITICAL --ignore-unfixed --exit-code 1 "tale-e2e/tale-$service:e2e"
done
