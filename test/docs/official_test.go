package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// officialVariables are those that official self-hosting has: what its compose file
// passes (self-hosted/docker/docker-compose.yml of convex-backend at 5f66740a and
// 94a42c3d; the first has ACTIONS_USER_TIMEOUT_SECS, the second its two successors and
// DISABLE_METRICS_ENDPOINT), what it names ports by, and what the scripts of its image
// read (docker-build/run_backend.sh, read_credentials.sh).
var officialVariables = strings.Fields(`
	ACTIONS_USER_TIMEOUT_SECS V8_ACTION_USER_TIMEOUT_SECS NODE_ACTION_USER_TIMEOUT_SECS
	APPLICATION_MAX_CONCURRENT_MUTATIONS APPLICATION_MAX_CONCURRENT_NODE_ACTIONS
	APPLICATION_MAX_CONCURRENT_QUERIES APPLICATION_MAX_CONCURRENT_V8_ACTIONS
	AWS_ACCESS_KEY_ID AWS_REGION AWS_S3_DISABLE_CHECKSUMS AWS_S3_DISABLE_SSE AWS_S3_FORCE_PATH_STYLE
	AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN CONVEX_CLOUD_ORIGIN CONVEX_RELEASE_VERSION_DEV CONVEX_SITE_ORIGIN
	DATABASE_URL DISABLE_BEACON DISABLE_METRICS_ENDPOINT DOCUMENT_RETENTION_DELAY DO_NOT_REQUIRE_SSL
	HTTP_SERVER_TIMEOUT_SECONDS INSTANCE_NAME INSTANCE_SECRET MYSQL_URL POSTGRES_URL REDACT_LOGS_TO_CLIENT
	RUST_BACKTRACE RUST_LOG S3_ENDPOINT_URL S3_STORAGE_EXPORTS_BUCKET S3_STORAGE_FILES_BUCKET
	S3_STORAGE_MODULES_BUCKET S3_STORAGE_SEARCH_BUCKET S3_STORAGE_SNAPSHOT_IMPORTS_BUCKET
	NEXT_PUBLIC_DEPLOYMENT_URL NEXT_PUBLIC_LOAD_MONACO_INTERNALLY PORT SITE_PROXY_PORT DASHBOARD_PORT
	DATA_DIR TMPDIR STORAGE_DIR SQLITE_DB CREDENTIALS_DIR`)

// TestEveryOfficialVariableHasItsRow compares the table with the list, and each row
// that says "same" or "renamed" with what the entrypoint really does.
func TestEveryOfficialVariableHasItsRow(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` \\| (same|renamed|not needed|refused) \\| (.*)\\|$").FindAllStringSubmatch(read(t, "docs/from-official.md"), -1)
	var named []string
	for _, row := range rows {
		named = append(named, row[1])
		checkOfficialRow(t, row[1], row[2], row[3])
	}
	slices.Sort(officialVariables)
	slices.Sort(named)
	if !slices.Equal(named, officialVariables) {
		t.Errorf("the table has\n%q, and the list\n%q", named, officialVariables)
	}
}

func checkOfficialRow(t *testing.T, name, status, note string) {
	t.Helper()
	isSetting := func(name string) bool {
		return slices.ContainsFunc(config.Describe(convex.Settings{}), func(v config.Variable) bool { return v.Name == name })
	}
	// Of what is no setting, the backend gets what the environment says.
	passed := backend.Backend{}.Environ(config.Environ{name: "canary"}, nil)[name] == "canary"
	switch status {
	case "same":
		if !isSetting(name) && !passed {
			t.Errorf("%s is neither a setting nor passed on", name)
		}
	case "renamed":
		to := regexp.MustCompile("`([A-Z_]+)`").FindStringSubmatch(note)
		if to == nil || !isSetting(to[1]) {
			t.Errorf("%s is renamed to nothing that is a setting: %s", name, note)
		}
	case "not needed":
		settings := append(config.Describe(convex.Settings{}), config.Describe(platform.Settings{})...)
		if slices.ContainsFunc(settings, func(v config.Variable) bool { return v.Name == name }) && !isAlwaysGiven(name) {
			t.Errorf("%s has another meaning here, and the services get it from .env", name)
		}
	case "refused":
		err := config.Load(&convex.Settings{}, config.Environ{name: "mysql://u@db", "SITE_URL": "https://a.example", "INSTANCE_SECRET": strings.Repeat("0a", 32), "DB_PASSWORD": "x"})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not refused: %v", name, err)
		}
	}
}

// isAlwaysGiven reports whether a service has a value of its own for a variable, whatever
// .env says.
func isAlwaysGiven(name string) bool {
	return slices.ContainsFunc(stack.Services(), func(s stack.Service) bool {
		return slices.ContainsFunc(s.Environment, func(g stack.Given) bool { return g.Name == name && g.Rule == stack.Always })
	})
}
