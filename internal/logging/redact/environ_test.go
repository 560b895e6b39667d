package redact

import (
	"maps"
	"testing"
)

func TestSecretsOfAnEnvironment(t *testing.T) {
	got := Secrets(map[string]string{
		"PATH": "/usr/bin", "BETTER_AUTH_SECRET": "a", "ENCRYPTION_SECRET_HEX": "b", "METRICS_BEARER_TOKEN": "c", "SOPS_AGE_KEY": "d",
		"SOPS_AGE_KEY_FILE": "/run/secrets/age", "SITE_URL": "https://example.com", "RAG_DATABASE_URL": "postgresql://u:p%40ss@db/x", "SENTRY_DSN": "e",
	})
	want := map[string]string{
		"BETTER_AUTH_SECRET": "a", "ENCRYPTION_SECRET_HEX": "b", "METRICS_BEARER_TOKEN": "c", "SOPS_AGE_KEY": "d", "SENTRY_DSN": "e",
		"RAG_DATABASE_URL": "postgresql://u:p%40ss@db/x", "password of RAG_DATABASE_URL": "p@ss",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
