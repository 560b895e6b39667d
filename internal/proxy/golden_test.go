package proxy

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

// The files show what the settings mean: a change of either is a change that a
// reviewer should see.
var goldenSettings = map[string]config.Environ{
	"selfsigned":  {"SITE_URL": "https://tale.local", "METRICS_BEARER_TOKEN": "canary"},
	"letsencrypt": {"SITE_URL": "https://example.com", "HOST": "tale.internal", "TLS_MODE": "letsencrypt", "HTTP3": "on", "ACME_EAB_KEY_ID": "key-1", "ACME_EAB_HMAC_KEY": "canary"},
	"external":    {"SITE_URL": "https://example.com:8443", "TLS_MODE": "external", "BASE_PATH": "tale", "DASHBOARD_ALLOW": "192.0.2.0/24", "MAX_BODY": "200MB"},
}

func goldenRun(t *testing.T, env config.Environ) *Settings {
	t.Helper()
	s := load(t, env)
	s.SiteDir = ""
	return s
}

func TestGoldenConfigurations(t *testing.T) {
	for name, env := range goldenSettings {
		cfg, err := caddyConfig(goldenRun(t, env))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(cfg, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "canary") {
			t.Errorf("%s: a secret is part of the configuration", name)
		}
		golden(t, "config-"+name+".json", append(text, '\n'))
	}
}

func TestGoldenTables(t *testing.T) {
	for name, env := range goldenSettings {
		var out bytes.Buffer
		if err := goldenRun(t, env).Table().Write(&out); err != nil {
			t.Fatal(err)
		}
		golden(t, "routes-"+name+".txt", out.Bytes())
	}
}
