package caddyconf

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/settings"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// The files show what the settings mean: a change of either is a change that a
// reviewer should see.
var goldenSettings = map[string]config.Environ{
	"selfsigned":  {"SITE_URL": "https://tale.local", "METRICS_BEARER_TOKEN": "canary"},
	"letsencrypt": {"SITE_URL": "https://example.com", "HOST": "tale.internal", "TLS_MODE": "letsencrypt", "HTTP3": "on", "EXTRA_SITES": "docs.example.com=docs:3002, status.example.com=status:8080/ok", "ACME_EAB_KEY_ID": "key-1", "ACME_EAB_HMAC_KEY": "canary"},
	"external":    {"SITE_URL": "https://example.com:8443", "TLS_MODE": "external", "BASE_PATH": "tale", "DASHBOARD_ALLOW": "192.0.2.0/24", "MAX_BODY": "200MB", "EXTRA_SITES": "docs.example.com=docs:3002"},
}

func load(t *testing.T, env config.Environ) *settings.Settings {
	t.Helper()
	s := &settings.Settings{}
	if err := config.Load(s, env); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGoldenConfigurations(t *testing.T) {
	for name, env := range goldenSettings {
		text, err := json.MarshalIndent(New(load(t, env), nil), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "canary") {
			t.Errorf("%s: a secret is part of the configuration", name)
		}
		testkit.Golden(t, "config-"+name+".json", append(text, '\n'))
	}
}

func TestGoldenTables(t *testing.T) {
	for name, env := range goldenSettings {
		var out bytes.Buffer
		if err := load(t, env).Table().Write(&out); err != nil {
			t.Fatal(err)
		}
		testkit.Golden(t, "routes-"+name+".txt", out.Bytes())
	}
}
