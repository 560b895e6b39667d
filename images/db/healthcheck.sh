#!/bin/sh
# Healthy once everything the init scripts make is there. It asks over TCP:
# while they run, the server listens on its socket only.
set -eu
export PGPASSWORD="${POSTGRES_PASSWORD:-}" PGCONNECT_TIMEOUT=3
ask() { psql -h 127.0.0.1 -U "${POSTGRES_USER:-tale}" -d "$1" -Atqc "$2"; }
[ "$(ask tale_platform 'SELECT 1')" = 1 ]
[ "$(ask tale_knowledge "SELECT count(*) FROM information_schema.schemata WHERE schema_name IN ('public_web', 'private_knowledge')")" = 2 ]
