# shellcheck shell=bash
# The tale command on what releases before it have left. The names of their volumes,
# containers and compose projects are the same for every project on a host.

# legacy_tree FOLDER: commands that fill it with files of every kind.
legacy_tree() {
  cat <<END
cd $1 && umask 022
mkdir -p convex/modules convex/storage agents && chmod 700 convex/storage
for i in \$(seq 60); do head -c \$((i * 997)) /dev/urandom >convex/modules/\$i.zip; done
head -c ${2:-3000000} /dev/urandom >convex/storage/large
truncate -s 20M convex/sparse && printf end >>convex/sparse
ln convex/modules/1.zip convex/storage/hard && ln -s ../modules/2.zip convex/storage/soft && ln -s /nowhere dangling
printf 'a\nb' >"name with
a line" && : >empty && printf x >'-rf' && printf y >.hidden
mkfifo pipe && perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "socket", Listen => 1)'
chown -R 1000:1000 agents convex/modules && chmod 4755 empty && touch -d '2020-02-02 02:02:02.123456789' convex/modules/3.zip convex/storage
END
}

# What legacy_listing shows of a volume, of which sockets are left out, and owners if asked.
legacy_listing() {
  docker run --rm -v "$1:/v:ro" tale-e2e/slim sh -c "cd /v && find . ! -type s ! -path . -printf '%P %y %m %T@ %n %l ${2:-%U:%G}\n' | sed '/ d /s/ [0-9]* *\$/ /' | LC_ALL=C sort && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum"
}

# The all-in-one stack of before 0.2.33. Its database is a real one; of the rest it is the
# data that matter, and who has the ports.
legacy_volumes=(db-data db-backup caddy-data caddy-config platform-data)
legacy_stack() {
  local volume volumes='volumes: {'
  for volume in "${legacy_volumes[@]}"; do
    docker volume create --label dev.tale.e2e=legacy "tale_$volume" >/dev/null
    volumes+="$volume: {external: true, name: tale_$volume}, "
  done
  {
    printf 'services:\n'
    printf '  db: {image: %s/tale-db:1.0.0, environment: {POSTGRES_USER: tale, POSTGRES_PASSWORD: "${DB_PASSWORD}"}, volumes: ["db-data:/var/lib/postgresql/data", "db-backup:/var/lib/postgresql/backup"]}\n' "$tale_registry"
    printf '  proxy: {image: tale-e2e/node, init: true, command: ["node", "-e", "require(\\"http\\").createServer((q, s) => s.end(\\"legacy\\")).listen(80)"], ports: ["%s:80", "%s:443"], volumes: ["caddy-data:/data", "caddy-config:/config"]}\n' "$tale_http" "$tale_port"
    printf '%s}\n' "$volumes"
  } >"$tale_dir/legacy.yml"
  {
    printf 'services:\n  platform-blue: {image: tale-e2e/slim, init: true, command: ["sleep", "infinity"], volumes: ["platform-data:/app/data"]}\n'
    printf '%s}\n' "$volumes"
  } >"$tale_dir/legacy-blue.yml"
  (cd "$tale_dir" && docker compose --progress quiet -p tale -f legacy.yml up -d --wait && docker compose --progress quiet -p tale-blue -f legacy-blue.yml up -d --wait)
  docker exec tale-blue-platform-blue-1 sh -ec "$(legacy_tree /app/data)"
  docker exec tale-proxy-1 sh -ec 'mkdir -p /data/caddy && umask 077 && echo key >/data/caddy/key && echo config >/config/autosave.json'
  docker exec tale-db-1 psql -qU tale -c "CREATE TABLE legacy AS SELECT generate_series(1, 1000) AS n"
}

remove_legacy() {
  local volume
  for volume in $(docker volume ls -q --filter label=dev.tale.e2e=legacy); do
    docker ps -aq --filter "volume=$volume" | xargs -r timeout 60 docker rm -fv >/dev/null
    docker volume rm "$volume" >/dev/null
  done
  docker network rm tale_default tale-blue_default >/dev/null 2>&1 || true
}

# Volumes with such names that no run has made are somebody's: they are left alone, and tale
# asks about them in each deploy of a new project.
legacy_names_are_free() {
  remove_legacy
  must_not "$(docker volume ls -q)" '^tale_'
}

legacy_serves() { equal "$(curl -sS --max-time 5 "http://127.0.0.1:$tale_http/")" legacy "what serves"; }

# is_copied FROM TO OWNER: all of a volume is in another one, which may have more by now.
is_copied() {
  local source missing
  source=$(legacy_listing "$1" "$3" | grep -v ' d ' | LC_ALL=C sort) # fails where there is nothing
  missing=$(comm -23 - <(legacy_listing "$2" | LC_ALL=C sort) <<<"$source")
  equal "$missing" "" "what $2 lacks of $1"
}

# copying: a helper writes into a volume of the project's.
copying() { docker ps --format '{{.Label "dev.tale.copy"}}' | grep "^$tale_id"; }

# By a run that is killed while it copies, with its helper, and by another one.
tale_migrates() {
  local before pid
  legacy_names_are_free
  new_project db convex platform proxy
  legacy_stack
  before=$(legacy_listing tale_platform-data)
  tale_must 64 deploy
  must "$said" '3 migrations are applied, .* stop for about .*: tale-blue-platform-blue-1, tale-db-1, tale-proxy-1; agree with --yes'
  tale_must 10 deploy --dry-run
  must "$said" "copies tale_platform-data to ${tale_id}_platform-data"
  legacy_serves
  (cd "$tale_dir" && exec "$root/bin/tale" deploy --yes) >/dev/null 2>&1 &
  pid=$!
  patiently 60 copying
  kill -KILL "$pid"
  docker ps -q --filter label=dev.tale.copy --filter "name=helper" | xargs -r docker kill >/dev/null || true
  wait "$pid" || true
  tale_must 0 deploy --yes --wait
  serves 1.0.0
  equal "$(legacy_listing tale_platform-data)" "$before" "the source"
  is_copied tale_platform-data "${tale_id}_platform-data" %U:%G
  is_copied tale_platform-data "${tale_id}_convex-data" 1001:1001
  is_copied tale_caddy-data "${tale_id}_caddy-data" 1001:1001
  equal "$(docker exec "$tale_id-db" psql -U tale -Atc 'SELECT count(*) FROM legacy')" 1000 "the rows of the database"
  equal "$(jq -c '[.applied[].id]' "$tale_dir/.tale/migrations.json")" '["namespace-volumes","split-convex","adopt-runtime-images"]' "the log"
  tale_must 0 deploy
  must "$said" 'nothing to do'
}

# A release that does not come up: the old stack serves again, and has its volumes.
tale_migration_is_taken_back() {
  legacy_names_are_free
  new_project db convex platform proxy
  legacy_stack
  release 1.0.2 'ENTRYPOINT ["/bin/sh", "-c", "exit 3"]'
  tale_must 1 deploy --yes --version 1.0.2
  must "$said" 'what the migrations had stopped is started again'
  patiently 20 legacy_serves
  must_not "$(docker volume ls -q)" "^${tale_id}_(db|convex|platform|caddy)-data"
  remove_legacy
  remove_tale
}
