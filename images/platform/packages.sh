#!/bin/sh
# The packages of an app, for the image build, by the package manager whose lock file
# is in the present folder: that of the app, or with CONTEXT that of the workspace
# which has the app in the folder APP.
#
#   packages.sh install      all of them, to build with
#   packages.sh keep FOLDER  puts into FOLDER what the image keeps of the app: with
#                            WITH_CLI=1 all of it, else with what its dependencies
#                            (those in SERVER_DEPENDENCIES, if that names some) need
set -eu

cpu=$(echo "${TARGETARCH:-}" | sed s/amd64/x64/)

manager() {
  for lock in bun.lock pnpm-lock.yaml package-lock.json; do
    [ ! -e "$lock" ] || return 0
  done
  echo "no bun.lock, pnpm-lock.yaml or package-lock.json in ${CONTEXT:-$APP}" >&2
  exit 1
}

install() {
  echo "packages: $lock"
  case $lock in
    bun.lock) npm install --global "bun@$BUN_VERSION" && bun install --frozen-lockfile ;;
    pnpm-lock.yaml) npm install --global "pnpm@$PNPM_VERSION" && pnpm install --frozen-lockfile ;;
    package-lock.json) npm ci ;;
  esac
}

# again OPTION…: anew, for the processor of the image, in the versions that are
# locked; the lock file itself no longer fits if dependencies were taken out.
# Scripts are for the machine that they run on, and mostly for developers: none runs.
again() {
  find . -name node_modules -prune -exec rm -rf {} +
  case $lock in
    bun.lock) bun install ${frozen:+"$frozen"} --ignore-scripts --os=linux --cpu="$cpu" "$@" ;;
    pnpm-lock.yaml) pnpm install "${frozen:---no-frozen-lockfile}" --ignore-scripts --os=linux --cpu="$cpu" "$@" ;;
    package-lock.json) npm_config_cpu=$cpu npm "${frozen:+clean-}install" --ignore-scripts "$@" ;;
  esac
}
frozen=--frozen-lockfile

only_what_the_app_depends_on() {
  case $lock in
    bun.lock) again --omit=dev ${CONTEXT:+--filter "./$APP"} ;;
    pnpm-lock.yaml) again --prod --config.hoist-workspace-packages=false ${CONTEXT:+--filter "{$APP}..."} ;;
    package-lock.json) again --omit=dev ${CONTEXT:+--workspace "$APP"} ;;
  esac
}

# name_dependencies NAME…: takes the others out of the app's package.json.
name_dependencies() {
  (cd "./${CONTEXT:+$APP}" && node -e '
    const fs = require("fs"), app = JSON.parse(fs.readFileSync("package.json", "utf8"));
    const all = app.dependencies ?? {}, missing = process.argv.slice(1).filter((name) => !(name in all));
    if (missing.length) { console.error(`SERVER_DEPENDENCIES: no dependency of the app: ${missing.join(" ")}`); process.exit(1); }
    app.dependencies = Object.fromEntries(process.argv.slice(1).map((name) => [name, all[name]]));
    fs.writeFileSync("package.json", JSON.stringify(app, null, 2));' -- "$@")
}

# files: of a workspace without those of its members that no package is a link to.
files() {
  if [ -z "${CONTEXT:-}" ] || [ "$WITH_CLI" = 1 ]; then
    echo .
    return
  fi
  find . -maxdepth 1 \( -type f -o -name node_modules \)
  echo "./$APP"
  find . -path '*/node_modules/*' -type l -exec realpath --relative-to=. {} + | grep -Ev '(^|/)node_modules/' || true
}

keep() {
  if [ "$WITH_CLI" != 1 ]; then
    if [ -n "${SERVER_DEPENDENCIES:-}" ]; then
      # shellcheck disable=SC2086 # names, separated by blanks
      name_dependencies $SERVER_DEPENDENCIES
      frozen=
    fi
    only_what_the_app_depends_on
  elif [ "$TARGETARCH" != "$BUILDARCH" ]; then
    again
  fi
  mkdir "$1"
  files | sed 's,^\./,,' | sort -u | xargs -d '\n' cp -a --parents -t "$1"
  find "$1" -path '*/node_modules/*' -type d -empty -delete
}

manager
"$@"
