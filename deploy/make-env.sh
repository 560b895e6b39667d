#!/bin/sh
# Writes .env, or the named file, from .env.example with fresh secrets. One that
# exists is never touched: its secrets are the keys to existing data.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
target=${1:-$root/.env}
if [ -e "$target" ]; then
  echo "$target is there already and stays as it is"
  exit 0
fi
umask 077
hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
temp=$(mktemp "$target.XXXXXX")
trap 'rm -f "$temp"' EXIT
sed -e "s|^DB_PASSWORD=\$|DB_PASSWORD=$(hex 24)|" \
    -e "s|^INSTANCE_SECRET=\$|INSTANCE_SECRET=$(hex 32)|" \
    -e "s|^BETTER_AUTH_SECRET=\$|BETTER_AUTH_SECRET=$(head -c 32 /dev/urandom | base64 | tr -d '\n')|" \
    -e "s|^ENCRYPTION_SECRET_HEX=\$|ENCRYPTION_SECRET_HEX=$(hex 32)|" \
    -e "s|^METRICS_BEARER_TOKEN=\$|METRICS_BEARER_TOKEN=$(hex 24)|" \
    "$root/.env.example" > "$temp"
# A link instead of a rename: it fails where the file has appeared meanwhile.
ln "$temp" "$target"
echo "$target is written with fresh secrets; keep a copy of it in a safe place"
