#!/bin/sh
# The backend derives its database from INSTANCE_NAME. Where that is not the usual one, it
# gets a copy of what the files before this one have made; a later change of the name needs
# `tale db init`.
name=$(printf %s "${INSTANCE_NAME:-tale_platform}" | tr - _)
psql -v ON_ERROR_STOP=1 -v name="$name" --no-psqlrc -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
SELECT format('CREATE DATABASE %I TEMPLATE tale_platform', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
SQL
