package caddyconf

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/settings"
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
		golden(t, "config-"+name+".json", append(text, '\n'))
	}
}

func TestGoldenTables(t *testing.T) {
	for name, env := range goldenSettings {
		var out bytes.Buffer
		if err := load(t, env).Table().Write(&out); err != nil {
			t.Fatal(err)
		}
		golden(t, "routes-"+name+".txt", out.Bytes())
	}
}

// golden compares with a file in testdata; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s; run with UPDATE_GOLDEN=1 and look at the difference\ngot:\n%s", file, got)
	}
}
