#!/bin/sh
# Prints an admin key for the Convex dashboard; --help says more. It needs no terminal.
set -eu

usage() {
	cat <<'END'
Prints an admin key for the Convex dashboard, which gives full access to all data: keep
it as a password.

  ./scripts/get-admin-key.sh             # where one project runs, or in its folder
  ./scripts/get-admin-key.sh PROJECT     # the id of a project, or the name of a container

In the folder of a project tale does it, if that is installed: it knows which colour
serves. Elsewhere it is done in a running web application, found by its labels, or by the
names that older tools gave it. Every colour of a project has the same keys.
END
}

fail() {
	printf '%s\n' "$2" >&2
	exit "$1"
}

# running prints the name of each running web application, and its project.
running() {
	docker ps --filter status=running --format '{{.Names}}|{{.Label "dev.tale.project"}}|{{.Label "dev.tale.service"}}|{{.Label "com.docker.compose.project"}}|{{.Label "com.docker.compose.service"}}' >"$list" || return 1
	while IFS='|' read -r name project service compose part; do
		case $service:$part:$name in
		platform:* | :platform:* | :platform-blue:* | :platform-green:*) ;;
		::tale-platform* | ::tale_platform* | ::*-platform | ::*-platform-blue | ::*-platform-green) ;;
		*) continue ;;
		esac
		if [ -z "$project" ]; then
			project=${compose:-$name}
			project=${project%-blue}
			project=${project%-green}
			project=${project%-platform}
		fi
		printf '%s %s\n' "$name" "$project"
	done <"$list"
}

# inside makes the key, by the program of our images or the script of others.
inside='if command -v platform-entrypoint >/dev/null 2>&1; then exec platform-entrypoint admin-key; fi
if [ -x ./generate-admin-key.sh ]; then exec ./generate-admin-key.sh; fi
echo "this image has neither platform-entrypoint nor generate-admin-key.sh" >&2
exit 78'

main() {
	case ${1:-} in
	-h | --help)
		usage
		return
		;;
	esac
	if [ $# -gt 1 ]; then
		fail 64 "usage: get-admin-key.sh [PROJECT]"
	fi
	if [ $# -eq 0 ] && command -v tale >/dev/null 2>&1 && tale config show >/dev/null 2>&1; then
		exec tale admin-key
	fi
	command -v docker >/dev/null 2>&1 || fail 69 "there is no docker command; run this on the host of the stack"
	list=$(mktemp) || fail 1 "there is no room for a temporary file"
	trap 'rm -f "$list"' EXIT
	found=$(running) || fail 69 "the Docker engine does not say what runs: is it up, and may this user use it?"
	if [ $# -eq 1 ]; then
		found=$(printf '%s\n' "$found" | while read -r name project; do
			if [ "$1" = "$name" ] || [ "$1" = "$project" ]; then
				printf '%s %s\n' "$name" "$project"
			fi
		done)
		[ -n "$found" ] || fail 4 "no web application of $1 runs: tale status says why"
	fi
	[ -n "$found" ] || fail 4 "no web application runs: tale deploy starts it"
	if [ "$(printf '%s\n' "$found" | cut -d ' ' -f 2 | sort -u | wc -l)" -gt 1 ]; then
		fail 64 "there are several projects; name one of them:
$(printf '%s\n' "$found" | cut -d ' ' -f 2 | sort -u)"
	fi
	name=$(printf '%s\n' "$found" | head -n 1)
	docker exec "${name%% *}" sh -c "$inside" </dev/null
}

main "$@"
