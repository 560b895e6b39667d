#!/bin/sh
# Looks at the volume before Postgres does, and says what is wrong with it as the other
# services of the stack do: what, why, and what to do. Then it is the base image's
# entrypoint.
set -u
data=${PGDATA:-/var/lib/postgresql/data}

# failed CODE SAID CAUSE FIX…
failed() {
  code=$1 said=$2 cause=$3
  shift 3
  line "FAILED at storage"
  line "  said     $said"
  line "  cause    $cause"
  label='fix     '
  for fix; do
    line "  $label $fix"
    label='        '
  done
  line "  changed  nothing"
  case $code in
  69) line "  retry    no more in this run; it may pass when the container starts again (exit code 69)" ;;
  *) line "  retry    no, the same input fails the same way (exit code $code)" ;;
  esac
  exit "$code"
}
line() { echo "$(date -u +%Y-%m-%dT%H:%M:%S.000Z) ${2:-ERROR} $1" >&2; }

# server_major: that of the server in this image, nothing if it does not tell.
server_major() {
  for postgres in postgres "/usr/lib/postgresql/${PG_MAJOR:-none}/bin/postgres" /usr/local/postgres/bin/postgres; do
    command -v "$postgres" >/dev/null 2>&1 || continue
    "$postgres" --version | sed -n 's/^[^0-9]*\([0-9][0-9]*\).*/\1/p'
    return
  done
}

# not_ours SAID: root, too, needs rights for what belongs to another user. DAC_OVERRIDE is
# bit 1 of the capabilities; with it, it is the file system that refuses, or the folder is
# of a user that this container does not have.
not_ours() {
  [ "$(id -u)" != 0 ] || case $(sed -n 's/^CapEff:[^0-9a-f]*//p' /proc/self/status) in
  *[2367abef]) failed 77 "$1" "root has its capabilities here, so the file system of the volume refuses it, as NFS with root_squash and SELinux do, or its owner is no user of this container, as with a rootless engine" \
    "with NFS: give the folder to $(id -u postgres):$(id -g postgres) on its server, and start as that (user: in the service db)" \
    "with SELinux: add :Z to the mount" \
    "with a rootless engine or userns-remap: chown the folder on the host to the user that is this container's root there" ;;
  esac
  [ "$(id -u)" != 0 ] || failed 77 "$1" "root may do that with its capabilities, and this container lacks DAC_OVERRIDE" \
    "cap_add: [CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID] in the service db, as the stack's compose file has it"
  failed 77 "$1" "the volume belongs to another user" "start the container as root once (no user: in the compose file), or chown it to $(id -u)"
}

# An engine names a volume that nobody has named by 64 hexadecimal digits. The base image
# declares one at its data folder, so that a volume mounted above it is not seen there.
case $(awk -v at="$data" '$5 == at { root = $4; kind = "" ; for (i = 6; i < NF; i++) if ($i == "-") kind = $(i + 1) } END { print kind, root }' /proc/self/mountinfo 2>/dev/null) in
tmpfs*) line "the database is lost with its container: $data is in memory; mount the volume db-data there" "WARN " ;;
*/volumes/????????????????????????????????????????????????????????????????/_data)
  line "the database is lost with its container: $data is a volume without a name, which the next container does not get; mount the volume db-data at exactly $data, and nothing above it" "WARN " ;;
esac
mkdir -p "$data" 2>/dev/null
[ -d "$data" ] || failed 78 "$data is no folder" "Postgres keeps its database there" "mount the volume db-data at $data"
[ -r "$data" ] || not_ours "uid $(id -u) cannot read $data"
sockets=/var/run/postgresql
if mkdir -p "$sockets" 2>/dev/null && ! touch "$sockets/.tale-write-test" 2>/dev/null; then
  case $(touch "$sockets/.tale-write-test" 2>&1) in
  *Read-only*) failed 77 "$sockets is read-only" "Postgres makes its socket there" "mount a tmpfs there: tmpfs: [\"$sockets:mode=1777\"] in the service db" ;;
  esac
fi
rm -f "$sockets/.tale-write-test"

# Two servers on one volume destroy it, and in two containers they do not see each
# other: both are process 1 of their own. The lock is inherited by the server.
exec 9<"$data"
status=0
flock --nonblock --conflict-exit-code 75 9 2>/dev/null || status=$?
[ "$status" != 75 ] || failed 69 "another container has $data open" \
  "two servers on one volume would destroy the database" \
  "docker ps --filter volume=NAME shows which (docker inspect of this container names the volume): stop one of them"

here=$(cat "$data/PG_VERSION" 2>/dev/null)
there=$(server_major)
if [ -n "$here" ] && [ -n "$there" ] && [ "$here" != "$there" ]; then
  failed 78 "the volume at $data is of Postgres $here, and this image has Postgres $there" \
    "a server does not read the files of another major version" \
    "run the image with Postgres $here again (DB_BASE_IMAGE, TALE_VERSION)" \
    "or move on: with that image pg_dumpall, then a new volume, then psql with the dump (docs/operations.md, Backup)"
fi
# The image's own start sees to a volume that belongs to somebody else; what it leaves
# behind that it could not write is what this is about.
probe=$data/.tale-write-test
if [ -n "$here" ] || [ "$(id -u)" = 0 ]; then
  said=$(dd if=/dev/zero of="$probe" bs=64k count=16 2>&1) || {
    free=$(df -Ph "$data" | awk 'NR == 2 { print $4 " of " $2 " free" }')
    rm -f "$probe"
    case $said in
    *"No space left"* | *"quota exceeded"*)
      failed 69 "the disk below $data is full: $free" \
        "Postgres writes before it answers, and stops where it cannot" "free space on the host: df -h, docker system df; or give the volume more" ;;
    *Read-only*) failed 77 "$data is read-only" "a database is written to" "mount the volume without :ro; if it is not mounted so, the host's disk has failed: dmesg" ;;
    *) not_ours "uid $(id -u) cannot write to $data: $(echo "$said" | head -n 1)" ;;
    esac
  }
  rm -f "$probe"
fi
if [ -z "$here" ]; then
  inside=$(find "$data" -mindepth 2 -maxdepth 4 -name PG_VERSION -not -path '*/base/*' 2>/dev/null | head -n 1)
  [ -z "$inside" ] || failed 78 "there is no database in $data, and one in ${inside%/PG_VERSION}" \
    "the volume is mounted one level too high, or PGDATA was another folder" "set PGDATA=${inside%/PG_VERSION} in the service db, or mount that folder"
  others=$(find "$data" -mindepth 1 -maxdepth 1 -not -name lost+found | head -n 3)
  [ -z "$others" ] || failed 78 "$data holds something that is no database: $(echo "$others" | tr '\n' ' ')" \
    "a wrong folder or volume is mounted, and a new database is made in an empty one only" "mount the volume db-data at $data, or empty it if nothing in it is needed"
fi
exec docker-entrypoint.sh "$@"
