# shellcheck shell=bash
# Backups of the stack that tale_backs_up makes.

# A database whose image has pg_dump of its own version.
tale_backs_up() {
  local ask=(docker exec "$tale_id-db" psql -U tale -d tale_platform -Atc)
  new_project db convex platform proxy
  docker buildx build --load --quiet --tag tale-e2e/tale-db:17 --build-arg DB_BASE_IMAGE=tale-e2e/postgres-17 --file "$root/images/db/Dockerfile" "$root" >/dev/null
  release_of db 1.0.0 tale-e2e/tale-db:17
  tale_must 0 deploy --yes
  "${ask[@]}" 'CREATE TABLE kept AS SELECT generate_series(1, 1000) n' >/dev/null
  "${ask[@]}" 'CREATE ROLE reporting LOGIN; GRANT SELECT ON kept TO reporting; REVOKE CONNECT ON DATABASE tale_platform FROM PUBLIC' >/dev/null
  in_convex 'echo kept >/app/data/convex/kept'
  tale_must 0 backup b.tar
  "${ask[@]}" 'DROP TABLE kept' >/dev/null
  in_convex 'rm /app/data/convex/kept; echo newer >/app/data/convex/newer'
  tale_must 64 restore b.tar
  head -c -512 "$tale_dir/b.tar" >"$tale_dir/cut.tar"
  tale_must 1 restore cut.tar --project-name "$tale_id"
  must "$said" 'damaged'
  tale_must 0 restore b.tar --project-name "$tale_id"
  equal "$("${ask[@]}" 'SELECT count(*) FROM kept')" 1000 "the rows"
  equal "$(in_convex 'cat /app/data/convex/kept; ls /app/data/convex/newer 2>/dev/null')" kept "the files"
  serves 1.0.0
  tale_must 0 restore --discard-old --yes
  equal "$("${ask[@]}" "SELECT count(*) FROM pg_database WHERE datname LIKE '%before%'")" 0 "the databases of before"
  tale_must 0 backup --no-files n.tar
  tale_must 78 restore n.tar --project-name "$tale_id"
}
in_convex() { docker exec -u 0 "$tale_id-convex" sh -c "$1"; }

# loses_postgres FILE DURING ARGUMENT…: kills the database as soon as it does what tale asks
# of it. Nothing is left, what served serves, and the same command does it again.
loses_postgres() {
  local file=$1 during=$2 tale
  shift 2
  (cd "$tale_dir" && exec env -i "${reaching[@]}" "$root/bin/tale" "$@") >"$cache/tale-lost.log" 2>&1 &
  tale=$!
  patiently 60 sh -c "docker exec '$tale_id-db' psql -U tale -d postgres -Atc \"SELECT 'seen' FROM pg_stat_activity WHERE query LIKE '$during%'\" | grep seen"
  kill -9 "$(docker inspect -f '{{.State.Pid}}' "$tale_id-db")"
  code=0
  wait "$tale" || code=$?
  said=$(<"$cache/tale-lost.log")
  [[ $code =~ ^(69|75)$ ]] || { echo "exit code $code: $said"; return 1; }
  must "$said" 'Postgres (does not answer|was restarted)'
  equal "$(cd "$tale_dir" && ls "$file"* 2>/dev/null)" '' "what is left of $file"
  patiently 60 docker exec "$tale_id-db" pg_isready -U tale -d tale_platform
}
tale_loses_postgres() {
  docker exec "$tale_id-db" psql -U tale -d tale_platform -qc "CREATE TABLE large AS SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 1000000) n"
  loses_postgres lost.tar COPY backup lost.tar
  tale_must 0 backup large.tar
  loses_postgres none 'COPY public.large' restore large.tar --project-name "$tale_id"
  equal "$(docker exec "$tale_id-db" psql -U tale -d tale_platform -Atc 'SELECT count(*) FROM large')" 1000000 "the rows"
  patiently 60 serves 1.0.0
  tale_must 0 restore large.tar --project-name "$tale_id"
  equal "$(docker exec "$tale_id-db" psql -U tale -d tale_platform -Atc 'SELECT count(*) FROM large')" 1000000 "the rows that came back"
  serves 1.0.0
  tale_must 0 restore --discard-old --yes
}

# remove_drill removes what is left of one that failed: its volumes keep another password.
remove_drill() {
  docker ps -aq --filter "name=^/$tale_id-drill-" | xargs -r docker rm -fv >/dev/null
  docker volume ls -q --filter "name=^$tale_id-drill_" | xargs -r docker volume rm >/dev/null
  docker network ls -q --filter "name=^$tale_id-drill_" | xargs -r docker network rm >/dev/null
}

# As docs/backup.md has it, beside the real one, at another host.
tale_drills() {
  remove_drill
  local tale_id=$tale_id
  cp "$tale_dir/b.tar" "$cache/drill.tar"
  rm -rf "$tale_dir-drill"
  mkdir "$tale_dir-drill"
  cp "$tale_dir/tale.json" "$tale_dir/.env" "$tale_dir-drill/"
  local tale_dir=$tale_dir-drill
  (
    cd "$tale_dir"
    sed -i 's/"id": "\(.*\)"/"id": "\1-drill"/' tale.json
    sed -i '/^PUBLISH_HTTP/d; s#^SITE_URL=.*#SITE_URL=https://tale.local:8443#' .env
    printf 'PUBLISH_HTTP=8080\nPUBLISH_HTTPS=8443\n' >>.env
  )
  tale_id=$tale_id-drill
  tale_must 0 deploy --yes
  tale_must 0 restore "$cache/drill.tar" --project-name "$tale_id"
  must "$said" 'the role reporting is new on the server and cannot log in'
  equal "$(docker exec "$tale_id-db" psql -U tale -d tale_platform -Atc "SELECT has_table_privilege('reporting', 'kept', 'SELECT'), has_database_privilege('reporting', 'tale_platform', 'CONNECT')")" 't|f' "the rights of the role"
  equal "$(docker exec "$tale_id-db" psql -U tale -d tale_platform -Atc 'SELECT count(*) FROM kept')" 1000 "the rows"
  docker exec "$tale_id-platform-blue" platform-entrypoint doctor
  equal "$(docker exec "$tale_id-db" psql -U tale -d tale_knowledge -Atc 'SHOW search_path')" 'public_web, private_knowledge, public' "the search_path"
  tale_must 0 reset --all --volumes --project-name "$tale_id" --force
  equal "$(docker ps -aq --filter "name=^/$tale_id-"; docker volume ls -q --filter "name=^${tale_id}_")" '' "what is left of it"
}

# certificate_of ADDRESS: makes one that all can read, and a key for the database image's
# server alone, in the folder $tls.
certificate_of() {
  mkdir -p "$tls"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=elsewhere -addext "subjectAltName=IP:$1" \
    -keyout "$tls/key.pem" -out "$tls/ca.pem" 2>/dev/null
  chown "$(docker run --rm --entrypoint id tale-e2e/tale-db:17 -u postgres)" "$tls/key.pem"
}

# A server that others use as well, where the stack's user is no superuser, and whose
# certificate is checked: what is theirs is not in the backup, and stays as it is.
tale_shares_a_server() {
  local server=$tale_id-elsewhere probe statement gateway others tls=/tmp/$tale_id-tls list="SELECT oid, datname FROM pg_database WHERE datname NOT LIKE 'tale\_%' ORDER BY oid"
  local ask=(docker exec "$server" psql -U provider -d postgres -Atc) inside=(docker exec "$server" psql -U provider -d tale_platform -Atc)
  new_project convex platform proxy
  # Of a container: an engine that has found its bridge there already does not tell it of the network.
  probe=$(docker run -d --init tale-e2e/slim sleep 60)
  gateway=$(docker inspect -f '{{.NetworkSettings.Networks.bridge.Gateway}}' "$probe")
  docker rm -f "$probe" >/dev/null
  certificate_of "$gateway"
  docker run -d --name "$server" -p "$gateway::5432" -v "$tls:/tls:ro" -e POSTGRES_USER=provider -e POSTGRES_PASSWORD=provider-e2e tale-e2e/tale-db:17 >/dev/null
  patiently 60 state_is "$server" healthy
  for statement in "ALTER SYSTEM SET ssl_cert_file = '/tls/ca.pem'" "ALTER SYSTEM SET ssl_key_file = '/tls/key.pem'" 'ALTER SYSTEM SET ssl = on' 'SELECT pg_reload_conf()' 'DROP DATABASE tale_platform' 'DROP DATABASE tale_knowledge' "CREATE ROLE shop LOGIN CREATEDB PASSWORD 'shop-e2e'" 'CREATE DATABASE crm' 'CREATE DATABASE crm_restoring' \
    'CREATE DATABASE provider_only' 'REVOKE ALL ON DATABASE provider_only, postgres FROM PUBLIC'; do
    "${ask[@]}" "$statement" >/dev/null
  done
  others=$("${ask[@]}" "$list")
  release_of db 1.0.0 tale-e2e/tale-db:17
  printf '%s\n' "POSTGRES_URL=postgresql://shop:shop-e2e@$(docker port "$server" 5432)?sslmode=require" "PG_CA_FILE=$tls/ca.pem" >>"$tale_dir/.env"
  printf 'services: {convex: {volumes: ["%s:%s:ro"]}}\n' "$tls/ca.pem" "$tls/ca.pem" >"$tale_dir/compose.override.yml"
  tale_must 0 db init
  tale_must 0 deploy --yes
  "${inside[@]}" 'SET ROLE shop; CREATE TABLE kept AS SELECT generate_series(1, 1000) n; GRANT SELECT ON kept TO provider' >/dev/null
  tale_must 0 backup b.tar
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=elsewhere -keyout /dev/null -out "$tls/other.pem" 2>/dev/null
  cp "$tls/ca.pem" "$tls/own.pem"
  cat "$tls/other.pem" >"$tls/ca.pem" # the settings are those that convex was made with
  run_tale backup no.tar
  must "$code $said" '^78 .*certificate is signed by an unknown authority'
  cat "$tls/own.pem" >"$tls/ca.pem"
  "${inside[@]}" 'DROP TABLE kept' >/dev/null
  tale_must 10 restore b.tar --dry-run
  must_not "$said" 'crm|provider_only'
  tale_must 0 restore b.tar --project-name "$tale_id"
  equal "$("${inside[@]}" 'SET ROLE shop; SELECT count(*) FROM kept' | tail -1)" 1000 "the rows"
  tale_must 0 restore --discard-old --yes
  equal "$("${ask[@]}" "$list")" "$others" "the databases of others"
  equal "$("${ask[@]}" "SELECT datname FROM pg_database WHERE datname LIKE 'tale\_%' ORDER BY 1" | xargs)" 'tale_knowledge tale_platform' "the stack's"
  "${ask[@]}" 'ALTER ROLE shop NOCREATEDB' >/dev/null
  tale_must 77 restore b.tar --project-name "$tale_id"
  must "$said" 'ask those who run it for: ALTER ROLE "shop" CREATEDB'
  serves 1.0.0
  remove_shared
}
remove_shared() {
  remove_tale
  rm -rf "/tmp/$tale_id-tls"
}
