#!/bin/bash
# Does what the official Postgres image does on a first start, as far as the
# stack relies on it: initdb, then the files of /docker-entrypoint-initdb.d against a
# server that listens on its socket only, then the server as PID 1.
set -euo pipefail
bin=/usr/local/postgres/bin
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
user=${POSTGRES_USER:-postgres} database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}

first_start() {
  [ -n "${POSTGRES_PASSWORD:-}" ] || { echo "POSTGRES_PASSWORD is not set" >&2; exit 1; }
  # initdb opens the file a second time, so it must be one that postgres may open.
  printf %s "$POSTGRES_PASSWORD" | as_postgres bash -c 'umask 077; cat >/tmp/pwfile'
  as_postgres "$bin/initdb" --username="$user" --pwfile=/tmp/pwfile \
    --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >/dev/null
  rm /tmp/pwfile
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  as_postgres "$bin/pg_ctl" -w start -o "-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql"
  local ask=(psql -v ON_ERROR_STOP=1 --no-psqlrc -h /var/run/postgresql -U "$user")
  [ "$database" = postgres ] || "${ask[@]}" -d postgres -c "CREATE DATABASE \"$database\""
  for file in /docker-entrypoint-initdb.d/*; do
    echo "running $file"
    case $file in
    *.sql) "${ask[@]}" -d "$database" -f "$file" ;;
    *.sh) (export POSTGRES_USER="$user" POSTGRES_DB="$database" PGHOST=/var/run/postgresql && . "$file") ;;
    esac
  done
  as_postgres "$bin/pg_ctl" -w stop -m fast
}

chown -R postgres:postgres "$PGDATA"
[ -s "$PGDATA/PG_VERSION" ] || first_start
exec setpriv --reuid=postgres --regid=postgres --init-groups "$bin/postgres" \
  -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
