#!/bin/sh
# Healthy once everything the init scripts make is there, for a client with the password
# that the stack has. Else one line says why not, with exit code 78 where waiting does not
# mend it. It asks over TCP: while the scripts run, the server listens on its socket only.
set -u
user=${POSTGRES_USER:-tale}
socket=${PGHOST:-/var/run/postgresql}
said=/tmp/.tale-db-said
export PGPASSWORD="${POSTGRES_PASSWORD:-}" PGCONNECT_TIMEOUT=3
ask() { psql -w -h "$1" -U "$user" -d "$2" -Atqc "$3" 2>&1; }
no() {
  rm -f "$said"
  echo "$1"
  exit 1
}

# refused says the same in the log, once, by way of the server: the base image trusts
# its own socket.
refused() {
  if [ ! -e "$said" ]; then
    : >"$said"
    PGOPTIONS='-c log_error_verbosity=terse -c log_min_error_statement=panic' psql -w -h "$socket" -U "$user" -d postgres -qc "DO \$do\$ BEGIN RAISE LOG USING MESSAGE = \$text\$FAILED at password
  said     the password in DB_PASSWORD is not that of user $user in this volume
  cause    Postgres keeps the password that the volume was first made with, whatever the setting says now
  fix      put the old DB_PASSWORD back into .env (make env never changes one that is there), then: docker compose up -d
           or make the new one valid: docker compose exec db psql -U $user -d postgres -c '\\password'
  changed  nothing
  retry    no, the same input fails the same way\$text\$; END \$do\$" >/dev/null 2>&1
  fi
  echo "this volume keeps the password it was made with, and DB_PASSWORD is another: put the old one back, or: docker compose exec db psql -U $user -d postgres -c '\\password'"
  exit 1
}

# judge DATABASE ANSWER: why the answer is not the one that was hoped for.
judge() {
  case $2 in
  *"password authentication failed"* | *"no password supplied"*)
    case $(ask "$socket" postgres 'SELECT 1') in
    *"role \"$user\" does not exist"*) no "this volume has no user $user: it keeps the one it was made with; put the old DB_USER back" ;;
    esac
    refused ;;
  *"database \"$1\" does not exist"*) no "the database $1 is missing: the volume was made by another image; create it (tale db init), or restore a backup" ;;
  *refused* | *"starting up"* | *"not yet accepting"*) no "not listening yet: it makes the database, or recovers; docker compose logs db" ;;
  *"No space left"*) no "the disk is full: df -h on the host" ;;
  *"too many clients"* | *"remaining connection slots"*) no "all connections are taken: raise max_connections, or find out who holds them: SELECT * FROM pg_stat_activity" ;;
  *) no "$(echo "$2" | head -n 1)" ;;
  esac
}

# An engine that loses patience kills this shell alone, and what it leaves is a child of
# Postgres, which takes any end but 0 and 1 for a crash of its own and ends all
# connections. So a shell that nobody kills waits for psql, and does not mind the pipe.
trap '' PIPE
(
  answer=$(ask 127.0.0.1 tale_platform 'SELECT 1')
  [ "$answer" = 1 ] || judge tale_platform "$answer"
  answer=$(ask 127.0.0.1 tale_knowledge "SELECT count(*) FROM information_schema.schemata WHERE schema_name IN ('public_web', 'private_knowledge')")
  case $answer in
  2) ;;
  [01]) no "the database tale_knowledge lacks the schemas public_web and private_knowledge: create them (tale db init)" ;;
  *) judge tale_knowledge "$answer" ;;
  esac
  # The base image trusts loopback, too; the other containers come from elsewhere.
  own=$(hostname -i 2>/dev/null | tr ' ' '\n' | grep -v -e '^127\.' -e '^::1$' | head -n 1)
  if [ -n "$own" ]; then
    answer=$(ask "$own" tale_platform 'SELECT 1')
    [ "$answer" = 1 ] || judge tale_platform "$answer"
  fi
  rm -f "$said"
  echo "accepts connections"
) && exit 0
[ ! -e "$said" ] || exit 78
exit 1
