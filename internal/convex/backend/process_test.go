package backend

import (
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const secretA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func environ(changes ...string) config.Environ {
	e := config.Environ{"INSTANCE_SECRET": secretA, "DB_PASSWORD": "p@ss/w:rd%?#"}
	for i := 0; i+1 < len(changes); i += 2 {
		e[changes[i]] = changes[i+1]
	}
	return e
}

func load(t *testing.T, e config.Environ) Backend {
	t.Helper()
	var b Backend
	if err := config.Load(&b, e); err != nil {
		t.Fatal(err)
	}
	return b
}

func argv(t *testing.T, e config.Environ) []string {
	t.Helper()
	argv, err := load(t, e).Argv()
	if err != nil {
		t.Fatal(err)
	}
	return argv
}

func TestArgv(t *testing.T) {
	want := []string{
		"convex-local-backend", "-d", "postgres-v5", "postgresql://tale:p%40ss%2Fw%3Ard%25%3F%23@db:5432", "--do-not-require-ssl",
		"--local-storage", "/app/data/convex", "--port", "3210", "--site-proxy-port", "3211", "--interface", "0.0.0.0",
		"--convex-origin", "http://127.0.0.1:3210", "--convex-site", "http://127.0.0.1:3211",
		"--instance-name", "tale_platform", "--instance-secret", secretA,
	}
	if got := argv(t, environ()); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestLogsAreRedactedWhenAsked(t *testing.T) {
	const flag = "--redact-logs-to-client"
	for value, want := range map[string]int{"": 0, "false": 0, "true": 1, "1": 1} {
		got := argv(t, environ("REDACT_LOGS_TO_CLIENT", value, "CONVEX_BACKEND_COMMAND", "convex-local-backend"))
		if n := len(slices.DeleteFunc(got, func(a string) bool { return a != flag })); n != want {
			t.Errorf("%q: the flag stands there %d times", value, n)
		}
	}
	got := argv(t, environ("REDACT_LOGS_TO_CLIENT", "true", "CONVEX_BACKEND_COMMAND", "convex-local-backend "+flag))
	if n := len(slices.DeleteFunc(got, func(a string) bool { return a != flag })); n != 1 { // the backend refuses a second
		t.Errorf("the flag stands there %d times", n)
	}
}

func TestArgvSQLite(t *testing.T) {
	got := argv(t, environ("DB_PASSWORD", "", "CONVEX_STORAGE", "sqlite", "TALE_CONFIG_DIR", "/data dir", "CONVEX_BACKEND_COMMAND", `"/opt/my backend" --redact-logs-to-client`,
		"CONVEX_CLOUD_ORIGIN", "https://tale.example", "CONVEX_SITE_ORIGIN", "https://tale.example/http_api"))
	want := []string{"/opt/my backend", "--redact-logs-to-client", "/data dir/convex/convex_local_backend.sqlite3", "--local-storage", "/data dir/convex"}
	if !slices.Equal(got[:len(want)], want) || slices.Contains(got, "-d") {
		t.Errorf("got %q", got)
	}
	if i := slices.Index(got, "--convex-site"); got[i+1] != "https://tale.example/http_api" {
		t.Errorf("got %q", got)
	}
}

// What is required of the connection, and the URL the backend gets.
func TestPostgresTLSPolicy(t *testing.T) {
	tests := map[string]struct {
		url, want string
		required  bool
	}{
		"compose service":    {"postgresql://u:p@db:5432", "postgresql://u:p@db:5432", false},
		"no port":            {"postgres://u:p@db/", "postgres://u:p@db", false},
		"private address":    {"postgresql://u:p@10.0.0.5:5432", "postgresql://u:p@10.0.0.5:5432", false},
		"loopback v6":        {"postgresql://u:p@[::1]:5432", "postgresql://u:p@[::1]:5432", false},
		"public host":        {"postgresql://u:p@pg.example.com", "postgresql://u:p@pg.example.com", true},
		"public address":     {"postgresql://u:p@203.0.113.7", "postgresql://u:p@203.0.113.7", true},
		"public, disabled":   {"postgresql://u:p@pg.example.com?sslmode=disable", "postgresql://u:p@pg.example.com?sslmode=disable", false},
		"public, preferred":  {"postgresql://u:p@pg.example.com?sslmode=prefer", "postgresql://u:p@pg.example.com", false},
		"internal, required": {"postgresql://u:p@db?sslmode=require", "postgresql://u:p@db", true},
		"verified":           {"postgresql://u:p@db?sslmode=verify-full&connect_timeout=3", "postgresql://u:p@db?connect_timeout=3", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := argv(t, environ("POSTGRES_URL", tt.url))
			if got[3] != tt.want || slices.Contains(got, "--do-not-require-ssl") == tt.required {
				t.Errorf("got %q", got[:6])
			}
		})
	}
}

// DO_NOT_REQUIRE_SSL decides where the URL does not.
func TestPostgresWithoutTLSOnRequest(t *testing.T) {
	for url, required := range map[string]bool{
		"postgresql://u:p@pg.example.com":                     false,
		"postgresql://u:p@pg.example.com?sslmode=require":     true,
		"postgresql://u:p@pg.example.com?sslmode=verify-full": true,
	} {
		got := argv(t, environ("POSTGRES_URL", url, "DO_NOT_REQUIRE_SSL", "1"))
		if slices.Contains(got, "--do-not-require-ssl") == required {
			t.Errorf("%s: got %q", url, got[:6])
		}
	}
	if got := argv(t, environ("DB_HOST", "pg.example.com", "DO_NOT_REQUIRE_SSL", "true")); !slices.Contains(got, "--do-not-require-ssl") {
		t.Errorf("got %q", got[:6])
	}
}

func TestEnviron(t *testing.T) {
	e := environ("POSTGRES_URL", "", "POSTGRES_URL_FILE", "/run/secrets/pg", "RUST_LOG", "", "DISABLE_BEACON", "", "ACTIONS_USER_TIMEOUT_SECS", "60", "CUSTOM", "kept")
	got := load(t, environ()).Environ(e, map[string]string{"SSL_CERT_FILE": "/tmp/ca"})
	for name, want := range map[string]string{
		"RUST_LOG":                           "info,common::errors=error,isolate::client=off,application::scheduled_jobs=off",
		"DISABLE_BEACON":                     "true",
		"DOCUMENT_RETENTION_DELAY":           "172800",
		"TMPDIR":                             "/app/data/convex/tmp",
		"APPLICATION_MAX_CONCURRENT_QUERIES": "32",
		"ACTIONS_USER_TIMEOUT_SECS":          "60",
		"NODE_ACTION_USER_TIMEOUT_SECS":      "60",
		"V8_ACTION_USER_TIMEOUT_SECS":        "60",
		"SSL_CERT_FILE":                      "/tmp/ca",
		"CUSTOM":                             "kept",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"INSTANCE_SECRET", "DB_PASSWORD", "POSTGRES_URL", "POSTGRES_URL_FILE", "DO_NOT_TRACK"} {
		if _, there := got[name]; there {
			t.Errorf("%s is in the backend's environment", name)
		}
	}
}

func TestEveryDefaultIsDocumented(t *testing.T) {
	page := testkit.ReadFile(t, "../../../docs/convex.md")
	for name, value := range defaultKnobs() {
		if row := "| `" + name + "` | `" + value + "` |"; !strings.Contains(page, row) {
			t.Errorf("docs/convex.md has no row %s", row)
		}
	}
	if documented := strings.Count(page, "` | `"); documented != len(defaultKnobs()) {
		t.Errorf("docs/convex.md has %d rows of variables with a default, the backend gets %d", documented, len(defaultKnobs()))
	}
}
