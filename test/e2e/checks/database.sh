# shellcheck shell=bash
# What an operator reads when the database's volume, or its settings, are wrong.

# database OPTION…: a container of the database image, hardened as in the compose
# file, to its end; its exit code is in $code, what it said in $said.
database() {
  code=0
  said=$(docker_limit=60 docker run --rm --read-only --tmpfs /tmp:mode=1777 --tmpfs /var/run/postgresql:mode=1777 \
    --cap-drop ALL "${as_root[@]}" --security-opt no-new-privileges -e POSTGRES_PASSWORD=x "$@" tale-e2e/tale-db:e2e 2>&1) || code=$?
}
database_data=/var/lib/postgresql/data

# is_explained CODE SAID FIX: what the database said is a block as of the other services.
is_explained() {
  equal "$code" "$1" "the exit code: $said"
  must "$said" '^20[0-9T:.-]*Z ERROR FAILED at storage$'
  must "$said" "said     .*$2"
  must "$said" 'cause    .'
  must "$said" "(fix     |       ) .*$3"
  note "exit $code: $(reason)"
}

wrong_volume_is_named() {
  database --tmpfs "$database_data:size=300k"
  is_explained 69 'the disk below .* is full' 'df -h'
  database --tmpfs "$database_data:ro"
  is_explained 77 'is read-only' 'without :ro'
  database -v "$e2e:$database_data"
  is_explained 78 'holds something that is no database' 'mount the volume db-data'
  database --user 1234 --tmpfs "$database_data:mode=700,uid=999"
  is_explained 77 'cannot read' 'as root once'
  database -e PGDATA=/proc # where root, too, makes no file
  is_explained 77 'uid 0 cannot write to /proc' 'give the folder to 999:[0-9]+ on its server'
  must "$said" 'the file system of the volume refuses it'
  local as_root=()
  database --tmpfs "$database_data:mode=700,uid=999"
  is_explained 77 'uid 0 cannot read' 'cap_add: '
  must "$said" 'this container lacks DAC_OVERRIDE'
}

# As the engine gives one, too, where a volume is mounted a level too high.
unnamed_volume_is_named() {
  database --user 1234 -v "$database_data"
  must "$said" "WARN  the database is lost with its container: $database_data is a volume without a name"
  must "$said" "mount the volume db-data at exactly $database_data"
}

no_place_for_the_socket_is_named() {
  database --tmpfs /var/run/postgresql:ro
  is_explained 77 '/var/run/postgresql is read-only' 'mount a tmpfs there'
}

# with_files COMMAND: runs it in an empty volume that is $volume then.
with_files() {
  volume=$COMPOSE_PROJECT_NAME-db
  docker volume rm "$volume" 2>/dev/null || true
  docker volume create --label "com.docker.compose.project=$COMPOSE_PROJECT_NAME" "$volume"
  docker run --rm -v "$volume:/d" debian:bookworm-slim sh -c "$1"
}

another_version_is_named() {
  with_files 'echo 15 >/d/PG_VERSION'
  database -v "$volume:$database_data"
  is_explained 78 'is of Postgres 15, and this image has Postgres 16' 'pg_dumpall'
}

another_folder_is_named() {
  with_files 'mkdir /d/pgdata && echo 16 >/d/pgdata/PG_VERSION'
  database -v "$volume:$database_data"
  is_explained 78 'one in /var/lib/postgresql/data/pgdata' 'set PGDATA=/var/lib/postgresql/data/pgdata'
}

second_server_is_refused() {
  database --volumes-from "$(container db)"
  is_explained 69 'another container has .* open' 'stop one of them'
}

# The volume keeps the password, and .env has another one.
kept_password_is_named() {
  local before
  before=$(setting DB_PASSWORD)
  set_to DB_PASSWORD another-password
  compose up -d --no-deps db
  patiently 60 health_of_db_says 'this volume keeps the password it was made with' || { inspect db '{{json .State.Health.Log}}'; return 1; }
  must "$(inspect db '{{range .State.Health.Log}}{{.ExitCode}} {{end}}')" '78 '
  local said
  said=$(logs db)
  must "$said" 'LOG:  FAILED at password'
  must "$said" 'fix      put the old DB_PASSWORD back'
  must_not "$said" 'another-password'
  equal "$(grep -c 'FAILED at password' <<<"$said")" 1 "how often it is said"
  set_to DB_PASSWORD "$before"
  compose up -d --no-deps db
  patiently 60 is_healthy db
}
health_of_db_says() { inspect db '{{range .State.Health.Log}}{{.Output}}{{end}}' | grep -qE "$1"; }
