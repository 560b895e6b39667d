# shellcheck shell=bash
# The tale command and its parts.

# The Go tests that need a real engine; each removes what it makes.
engine_tests_pass() {
  (cd "$root" && TALE_TEST_ENGINE_IMAGE=tale-e2e/slim timeout 600 nice go test -tags nobadger,nomysql,nopgx -count=1 -run '^TestReal' ./internal/tale/...)
}
