package proxy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

func TestValidateReportsSettingsAndSnippetsTogether(t *testing.T) {
	dir := siteDir(t, map[string]string{"one.caddy": "nonsense\n", "two.caddy": "respond {\n"})
	_, err := validate(config.Environ{"SITE_URL": "https://site.test", "TLS_MODE": "letsencypt", "MAX_BODY": "?", "PROXY_SITE_DIR": dir})
	if exit.Code(err) != exit.Config {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"4 problems", "TLS_MODE", "MAX_BODY", "one.caddy:1", "two.caddy:1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q not in %v", want, err)
		}
	}
}

func TestValidateProvisionsEveryModuleAndTouchesNothing(t *testing.T) {
	for name, env := range map[string]config.Environ{
		"selfsigned":  {"SITE_URL": "https://tale.local", "METRICS_BEARER_TOKEN": "canary"},
		"letsencrypt": {"SITE_URL": "https://example.com", "TLS_MODE": "letsencrypt", "HTTP3": "on", "ACME_EAB_KEY_ID": "key-1", "ACME_EAB_HMAC_KEY": "canary"},
		"external":    {"SITE_URL": "https://example.com:8443", "TLS_MODE": "external", "BASE_PATH": "tale", "DASHBOARD_ALLOW": "192.0.2.0/24", "MAX_BODY": "200MB"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			complete := config.Environ{"PROXY_DATA_DIR": dir, "PROXY_SITE_DIR": ""}
			for variable, value := range env {
				complete[variable] = value
			}
			for _, variable := range []string{"CONVEX_UPSTREAM", "PLATFORM_UPSTREAM"} {
				complete[variable] = echo(t, variable, nil) // so that nobody waits for a first probe
			}
			if _, err := validate(complete); err != nil {
				t.Fatal(err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) > 0 {
				t.Errorf("the data folder now has %v", entries)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "proxy-validate-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestValidateSeesWhatOnlyCaddyKnows(t *testing.T) {
	dir := siteDir(t, map[string]string{"regexp.caddy": "@x path_regexp ([\nrespond @x 200\n"})
	env := config.Environ{"SITE_URL": "https://site.test", "PROXY_SITE_DIR": dir, "CONVEX_UPSTREAM": echo(t, "c", nil), "PLATFORM_UPSTREAM": echo(t, "p", nil)}
	if _, err := validate(env); exit.Code(err) != exit.Config || !strings.Contains(err.Error(), "parsing regexp") || !strings.Contains(err.Error(), "regexp.caddy") {
		t.Errorf("got %v", err)
	}
}
