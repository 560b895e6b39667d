#!/bin/sh
# Installs the tale command; --help says more.
#
# All of it is one command to the shell, which runs nothing of a script that was cut off.
{
set -eu

usage() {
	cat <<'END'
Installs the tale command, or another version of it:

  curl -fsSL https://raw.githubusercontent.com/tale-project/tale/main/scripts/install-cli.sh | bash
  curl -fsSL … | VERSION=0.9.0 bash       # this version; also v0.9.0
  curl -fsSL … | bash -s -- 0.9.0         # the same

INSTALL_DIR is where to (default: where tale is, else /usr/local/bin), TALE_RELEASES_URL
where copies of the releases are. The page docs/tale.md has more.
END
}

RELEASES=https://github.com/tale-project/tale/releases
# Those of internal/tale/selfupdate/keys.txt, separated by blanks.
KEYS=""

# say shows no password of an address.
say() { printf '%s\n' "$*" | sed 's#//[^/@ ]*@#//#g' >&2; }

fail() {
	say "tale was not installed: $*"
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

main() {
	case ${1:-} in
	-h | --help)
		usage
		return
		;;
	esac
	umask 022
	base=${TALE_RELEASES_URL:-$RELEASES}
	base=${base%/}
	asked "$@"
	machine
	place
	work=$(mktemp -d) || fail "there is no room for a temporary folder"
	staged=
	trap clean EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	if [ -z "$version" ]; then
		newest
	fi
	say "tale $version for $program, from $base"
	fetch "$base/download/v$version/SHA256SUMS" "$work/SHA256SUMS"
	fetch "$base/download/v$version/$program" "$work/$program" progress
	check_sum
	check_signature
	install_program
	finish
}

clean() {
	rm -rf "$work"
	if [ -n "$staged" ]; then
		$sudo rm -f "$staged"
	fi
}

# asked sets version: that of the argument or of VERSION; empty is the newest.
asked() {
	if [ $# -gt 1 ]; then
		fail "give one version, as 0.9.0"
	fi
	version=${1:-${VERSION:-}}
	if [ -n "${1:-}" ] && [ -n "${VERSION:-}" ] && [ "${1#v}" != "${VERSION#v}" ]; then
		fail "the argument is $1 and VERSION is $VERSION: give one of them"
	fi
	version=${version#v}
	if [ "$version" = latest ]; then
		version=
	fi
	case $version in
	'') ;;
	*[!0-9.]* | .* | *. | *..*) fail "$version is no version; give one as 0.9.0" ;;
	*.*.*.*) fail "$version is no version; give one as 0.9.0" ;;
	*.*.*) ;;
	*) fail "$version is no version; give one as 0.9.0" ;;
	esac
}

# machine sets program: the file for this kind of machine.
machine() {
	system=$(uname -s)
	arch=$(uname -m)
	case $system in
	Linux) system=linux ;;
	Darwin)
		system=darwin
		# A shell that is translated sees another processor than there is.
		if [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then
			arch=arm64
		fi
		;;
	*) fail "there is no tale for $system, only for Linux and macOS; on Windows run this in WSL" ;;
	esac
	case $arch in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	*) fail "there is no tale for $arch, only for amd64 and arm64" ;;
	esac
	program=tale_${system}_$arch
}

# place sets target, its folder, and sudo if only root may write to that.
place() {
	before=$(command -v tale 2>/dev/null) || before=
	case $before in
	/*) ;;
	*) before= ;; # an alias or a function
	esac
	if [ -n "${INSTALL_DIR:-}" ]; then
		target=$INSTALL_DIR/tale
	elif [ -n "$before" ]; then
		target=$(real "$before")
		say "tale is there already: $before ($("$before" --version 2>/dev/null </dev/null || printf 'which does not run'))"
		case $target in
		/nix/* | */Cellar/* | /snap/* | /usr/bin/* | /bin/*)
			fail "a package has installed $target: upgrade it by that, or set INSTALL_DIR to another folder"
			;;
		esac
	else
		target=/usr/local/bin/tale
	fi
	if [ -d "$target" ]; then
		fail "$target is a folder"
	fi
	folder=$(dirname "$target")
	sudo=
	if [ ! -d "$folder" ]; then
		mkdir -p "$folder" 2>/dev/null || sudo=sudo
	elif [ ! -w "$folder" ]; then
		sudo=sudo
	fi
	if [ -n "$sudo" ]; then
		has sudo || fail "this user may not write to $folder, and there is no sudo: run this as root, or set INSTALL_DIR to a folder of yours"
		say "this user may not write to $folder: sudo is asked for"
		sudo mkdir -p "$folder" </dev/null || fail "sudo has refused; set INSTALL_DIR to a folder of yours to do without"
	fi
}

# real prints what links lead to, where readlink can tell.
real() { readlink -f "$1" 2>/dev/null || printf '%s\n' "$1"; }

# fetch URL FILE [progress]
fetch() {
	if has curl; then
		set -- "$1" "$2" "${3:-}" -fSL --retry 3 --retry-delay 1 --connect-timeout 15 --speed-limit 1 --speed-time 30 --max-redirs 5 -o "$2"
		case $1 in
		https:*) set -- "$@" --proto =https --proto-redir =https ;;
		*) set -- "$@" --proto =http,https --proto-redir =http,https ;;
		esac
		if [ -z "$3" ] || [ ! -t 2 ]; then
			set -- "$@" -sS
		else
			set -- "$@" --progress-bar
		fi
		url=$1
		shift 3
		curl "$@" "$url" </dev/null || unreachable "$url" $?
	elif has wget; then
		wget -q -t 3 -T 30 -O "$2" "$1" </dev/null || unreachable "$1" $?
	else
		fail "there is neither curl nor wget"
	fi
}

# unreachable says why a download has failed, by how curl or wget ends.
unreachable() {
	case $2 in
	22 | 8) fail "there is no $1, or it is refused; the versions are on $RELEASES" ;;
	18 | 28) fail "$1 is too slow, or was cut off: try it again" ;;
	*) fail "$1 cannot be reached (the download ends with $2): is there a network, and HTTPS_PROXY set if it needs one?" ;;
	esac
}

# newest sets version to that of the newest release.
newest() {
	fetch "$base/latest/download/release.json" "$work/release.json"
	version=$(sed -n 's/^  "version": "\([0-9]*\.[0-9]*\.[0-9]*\)",$/\1/p' "$work/release.json")
	case $version in
	*.*.*) ;;
	*) fail "$base/latest/download/release.json is no description of a release, but perhaps the page of a proxy" ;;
	esac
}

check_sum() {
	want=$(sed -n "s/^\\([0-9a-f]\\{64\\}\\)  $program\$/\\1/p" "$work/SHA256SUMS")
	if [ ${#want} -ne 64 ]; then
		fail "SHA256SUMS of $version has no checksum of $program: there is no program for this machine, or it is the page of a proxy"
	fi
	if has sha256sum; then
		got=$(sha256sum <"$work/$program")
	elif has shasum; then
		got=$(shasum -a 256 <"$work/$program")
	elif has openssl; then
		got=$(openssl dgst -sha256 -r <"$work/$program")
	else
		fail "there is none of sha256sum, shasum and openssl to verify the download with"
	fi
	if [ "${got%% *}" != "$want" ]; then
		fail "the download is not what was published: its SHA-256 is ${got%% *}, and not $want"
	fi
}

# check_signature verifies who made the program, where that can be done.
check_signature() {
	if ! has minisign; then
		say "its checksum is right; its signature is not verified, for which minisign would be needed"
		return
	fi
	if [ -z "$KEYS" ]; then
		say "its checksum is right; its signature is not verified, because this script has no keys"
		return
	fi
	fetch "$base/download/v$version/$program.minisig" "$work/$program.minisig"
	for key in $KEYS; do
		if signed=$(minisign -V -Q -P "$key" -m "$work/$program" </dev/null 2>/dev/null); then
			signed=${signed#Trusted comment: } # as some minisigns say
			if [ "$signed" != "tale $version $program" ]; then
				fail "the signature is of \"$signed\", and not of \"tale $version $program\""
			fi
			say "its checksum and its signature are right"
			return
		fi
	done
	fail "the download is not what was signed"
}

# install_program tries the program where it will be, and puts it into its place in one step.
install_program() {
	staged=$folder/.tale-install-$$
	$sudo cp "$work/$program" "$staged" </dev/null || fail "cannot write to $folder"
	$sudo chmod 755 "$staged" </dev/null || fail "cannot write to $folder"
	says=$("$staged" --version </dev/null 2>"$work/said") || fail "the program does not run on this machine: $(cat "$work/said")"
	if [ "$says" != "$version" ]; then
		fail "the program says that it is $says, and not $version"
	fi
	$sudo mv -f "$staged" "$target" </dev/null || fail "cannot replace $target"
	staged=
}

finish() {
	say "tale $version is installed: $target"
	hash -r 2>/dev/null || :
	found=$(command -v tale 2>/dev/null) || found=
	if [ -z "$found" ]; then
		say "$folder is not in PATH: add it, or call $target"
	elif [ "$(real "$found")" != "$(real "$target")" ]; then
		say "but tale still means $found, which comes first in PATH: remove it, or call $target"
	fi
	say "next: mkdir ~/tale && cd ~/tale && tale init"
}

main "$@"
}
