package convex

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
)

func environ(changes ...string) config.Environ {
	e := config.Environ{"SITE_URL": "https://tale.example", "INSTANCE_SECRET": secretA.Reveal(), "DB_PASSWORD": "p@ss/w:rd%?#"}
	for i := 0; i+1 < len(changes); i += 2 {
		e[changes[i]] = changes[i+1]
	}
	return e
}

func load(t *testing.T, e config.Environ) *Settings {
	t.Helper()
	s := &Settings{}
	if err := config.Load(s, e); err != nil {
		t.Fatal(err)
	}
	return s
}

func argv(t *testing.T, e config.Environ) []string {
	t.Helper()
	argv, err := backendArgv(load(t, e))
	if err != nil {
		t.Fatal(err)
	}
	return argv
}

func TestBackendArgv(t *testing.T) {
	want := []string{
		"convex-local-backend", "-d", "postgres-v5", "postgresql://tale:p%40ss%2Fw%3Ard%25%3F%23@db:5432", "--do-not-require-ssl",
		"--local-storage", "/app/data/convex", "--port", "3210", "--site-proxy-port", "3211", "--interface", "0.0.0.0",
		"--convex-origin", "http://127.0.0.1:3210", "--convex-site", "http://127.0.0.1:3211",
		"--instance-name", "tale_platform", "--instance-secret", secretA.Reveal(),
	}
	if got := argv(t, environ()); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestBackendArgvSQLite(t *testing.T) {
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

func TestSettingsListsEveryProblem(t *testing.T) {
	tests := map[string]struct {
		changes []string
		want    []string // variable and a part of what is wrong
	}{
		"nothing set":          {[]string{"SITE_URL", "", "INSTANCE_SECRET", "", "DB_PASSWORD", ""}, []string{"SITE_URL is not set", "INSTANCE_SECRET is not set", "POSTGRES_URL is not set, and neither is DB_PASSWORD", "CONVEX_STORAGE=sqlite"}},
		"database in URL":      {[]string{"POSTGRES_URL", "postgresql://u:canary@db/tale"}, []string{`POSTGRES_URL names the database "tale"`}},
		"database parameter":   {[]string{"POSTGRES_URL", "postgresql://u:canary@db?dbname=tale"}, []string{"POSTGRES_URL names a database in its parameter"}},
		"no user":              {[]string{"POSTGRES_URL", "postgresql://db:5432"}, []string{"POSTGRES_URL has no user name"}},
		"other scheme":         {[]string{"POSTGRES_URL", "mysql://u:canary@db"}, []string{"POSTGRES_URL does not begin with postgresql://"}},
		"unescaped password":   {[]string{"POSTGRES_URL", "postgresql://u:canary%zz@db"}, []string{"POSTGRES_URL is not a URL"}},
		"slash in password":    {[]string{"POSTGRES_URL", "postgresql://u:can/ary@db"}, []string{"POSTGRES_URL"}},
		"unknown sslmode":      {[]string{"POSTGRES_URL", "postgresql://u:canary@db?sslmode=allow"}, []string{`sslmode "allow"`}},
		"unknown storage":      {[]string{"CONVEX_STORAGE", "mysql"}, []string{`CONVEX_STORAGE "mysql" is unknown`}},
		"ports":                {[]string{"CONVEX_BACKEND_PORT", "6791", "DB_PORT", "0"}, []string{"CONVEX_DASHBOARD_PORT 6791 is the port of CONVEX_BACKEND_PORT too", "DB_PORT 0"}},
		"origins":              {[]string{"CONVEX_CLOUD_ORIGIN", "https://x/", "CONVEX_SITE_ORIGIN", "x"}, []string{"CONVEX_CLOUD_ORIGIN has more", "CONVEX_SITE_ORIGIN"}},
		"interface":            {[]string{"CONVEX_INTERFACE", "10.0.0.1"}, []string{"CONVEX_INTERFACE"}},
		"commands":             {[]string{"CONVEX_BACKEND_COMMAND", `"open`, "CONVEX_DASHBOARD_COMMAND", "a | b"}, []string{"CONVEX_BACKEND_COMMAND", "CONVEX_DASHBOARD_COMMAND"}},
		"instance name":        {[]string{"INSTANCE_NAME", "a:b"}, []string{`INSTANCE_NAME "a:b"`}},
		"budget and durations": {[]string{"CONVEX_RESTART_BUDGET", "-1", "CONVEX_WAIT_TIMEOUT", "soon", "CA_WAIT_TIMEOUT", "-3"}, []string{"CONVEX_RESTART_BUDGET -1", "CONVEX_WAIT_TIMEOUT", "CA_WAIT_TIMEOUT"}},
		"base path":            {[]string{"DASHBOARD_BASE_PATH", "dash/"}, []string{"DASHBOARD_BASE_PATH"}},
		"tls mode":             {[]string{"TLS_MODE", "none"}, []string{`TLS_MODE "none"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := config.Load(&Settings{}, environ(tt.changes...))
			if exit.Code(err) != exit.Config {
				t.Fatalf("exit code %d: %v", exit.Code(err), err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "p@ss") {
				t.Errorf("a secret is shown: %v", err)
			}
			var problems config.Problems
			if errors.As(err, &problems) && len(problems) > 4 {
				t.Errorf("%d problems: %v", len(problems), err)
			}
		})
	}
}

func TestBackendEnviron(t *testing.T) {
	e := environ("POSTGRES_URL", "", "POSTGRES_URL_FILE", "/run/secrets/pg", "RUST_LOG", "", "ACTIONS_USER_TIMEOUT_SECS", "60", "CUSTOM", "kept")
	got := backendEnviron(e, load(t, environ()), map[string]string{"SSL_CERT_FILE": "/tmp/ca"})
	for name, want := range map[string]string{
		"RUST_LOG":                           "info,common::errors=off,isolate::client=off,application::scheduled_jobs=off",
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
	for _, name := range []string{"INSTANCE_SECRET", "DB_PASSWORD", "POSTGRES_URL", "POSTGRES_URL_FILE"} {
		if _, there := got[name]; there {
			t.Errorf("%s is in the backend's environment", name)
		}
	}
}

func TestBackendProbeTellsAnotherBackend(t *testing.T) {
	sim := simtest.Start(t, convexsim.Options{InstanceName: "other", InstanceSecret: secretA.Reveal()})
	probe := backendProbe{prober: health.NewProber(), network: Network{BackendPort: sim.Options().Port}, name: "tale_platform"}
	if _, err := probe.Identify(t.Context()); err == nil || !strings.Contains(err.Error(), `the instance "other"`) {
		t.Errorf("error %v", err)
	}
	probe.name = "other"
	if version, err := probe.Identify(t.Context()); err != nil || version != "unknown" {
		t.Errorf("version %q, %v", version, err)
	}
}
