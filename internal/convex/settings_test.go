package convex

import (
	"errors"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
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

func TestSettingsListsEveryProblem(t *testing.T) {
	tests := map[string]struct {
		changes []string
		want    []string // variable and a part of what is wrong
	}{
		"nothing set":          {[]string{"SITE_URL", "", "INSTANCE_SECRET", "", "DB_PASSWORD", ""}, []string{"SITE_URL is not set", "INSTANCE_SECRET is not set", "POSTGRES_URL is not set, and neither is DB_PASSWORD", "CONVEX_STORAGE=sqlite"}},
		"database in URL":      {[]string{"POSTGRES_URL", "postgresql://u:canary@db/tale"}, []string{`POSTGRES_URL names the database "tale"`}},
		"database parameter":   {[]string{"POSTGRES_URL", "postgresql://u:canary@db?dbname=tale"}, []string{"the backend derives the database from INSTANCE_NAME"}},
		"no user":              {[]string{"POSTGRES_URL", "postgresql://db:5432"}, []string{"POSTGRES_URL has no user name"}},
		"other scheme":         {[]string{"POSTGRES_URL", "mysql://u:canary@db"}, []string{"POSTGRES_URL does not begin with postgresql://"}},
		"unescaped password":   {[]string{"POSTGRES_URL", "postgresql://u:canary%zz@db"}, []string{"POSTGRES_URL is not a URL"}},
		"slash in password":    {[]string{"POSTGRES_URL", "postgresql://u:can/ary@db"}, []string{"POSTGRES_URL"}},
		"unknown sslmode":      {[]string{"POSTGRES_URL", "postgresql://u:canary@db?sslmode=allow"}, []string{`sslmode "allow"`}},
		"unknown storage":      {[]string{"CONVEX_STORAGE", "mysql"}, []string{`CONVEX_STORAGE "mysql" is unknown`}},
		"status port":          {[]string{"STATUS_ADDR", ":3210"}, []string{"STATUS_ADDR 3210 is the port of CONVEX_BACKEND_PORT too"}},
		"ports":                {[]string{"CONVEX_BACKEND_PORT", "6791", "DB_PORT", "0"}, []string{"CONVEX_DASHBOARD_PORT 6791 is the port of CONVEX_BACKEND_PORT too", "DB_PORT 0"}},
		"origins":              {[]string{"CONVEX_CLOUD_ORIGIN", "https://x/", "CONVEX_SITE_ORIGIN", "x"}, []string{"CONVEX_CLOUD_ORIGIN has more", "CONVEX_SITE_ORIGIN"}},
		"interface":            {[]string{"CONVEX_INTERFACE", "10.0.0.1"}, []string{"CONVEX_INTERFACE"}},
		"commands":             {[]string{"CONVEX_BACKEND_COMMAND", `"open`, "CONVEX_DASHBOARD_COMMAND", "a | b"}, []string{"CONVEX_BACKEND_COMMAND", "CONVEX_DASHBOARD_COMMAND"}},
		"instance name":        {[]string{"INSTANCE_NAME", "a:b"}, []string{`INSTANCE_NAME "a:b"`}},
		"budget and durations": {[]string{"CONVEX_RESTART_BUDGET", "-1", "CONVEX_WAIT_TIMEOUT", "soon", "CA_WAIT_TIMEOUT", "-3"}, []string{"CONVEX_RESTART_BUDGET -1", "CONVEX_WAIT_TIMEOUT", "CA_WAIT_TIMEOUT"}},
		"base path":            {[]string{"DASHBOARD_BASE_PATH", "dash/"}, []string{"DASHBOARD_BASE_PATH"}},
		"MySQL":                {[]string{"MYSQL_URL", "mysql://u:canary@db"}, []string{"MYSQL_URL is set and POSTGRES_URL is not"}},
		"a part of S3":         {[]string{"S3_STORAGE_FILES_BUCKET", "f", "S3_STORAGE_MODULES_BUCKET", "m", "S3_STORAGE_SEARCH_BUCKET", "s"}, []string{"S3_STORAGE_EXPORTS_BUCKET is not set", "S3_STORAGE_SNAPSHOT_IMPORTS_BUCKET is not set", "AWS_REGION is not set"}},
		"redaction":            {[]string{"REDACT_LOGS_TO_CLIENT", "yes please"}, []string{"REDACT_LOGS_TO_CLIENT"}},
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
