#!/usr/bin/env bash
# Builds the real Dockerfiles through the compose file, as `make up` does, on the
# stand-ins of bases.sh and with the binaries of bin/ (make build). The images
# are named tale-e2e/tale-SERVICE:e2e. With names, only those.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
source "$e2e/stack.sh"

docker_limit=600
new_settings
project=$root project_files=(-f "$root/docker-compose.yml")
for service in db convex proxy platform; do
  [[ $# = 0 || " $* " = *" $service "* ]] || continue
  began=$SECONDS
  step "image $service"
  compose build --quiet "$service" || die "cannot build the image $service"
  echo "$service: $((SECONDS - began)) s"
done

# The one image with another build argument, and a certificate as a build secret.
if [[ $# = 0 || " $* " = *" platform "* ]]; then
  step "image platform WITH_CLI=1"
  mapfile -t arguments < <(build_arguments | sed 's/^/--build-arg=/')
  docker buildx build --load --quiet --tag tale-e2e/tale-platform:cli --file "$root/images/platform/Dockerfile" \
    --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt "${arguments[@]}" --build-arg WITH_CLI=1 "$root" ||
    die "cannot build the image platform with WITH_CLI=1"
fi
