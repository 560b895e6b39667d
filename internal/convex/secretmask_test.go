package convex

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

func TestSecretMask(t *testing.T) {
	mask := secretMask(load(t, environ()), config.Environ{"SOPS_AGE_KEY": "AGE-SECRET-KEY-1CANARY", "SOPS_AGE_KEY_FILE": "/run/secrets/age"})
	for line, want := range map[string]string{
		"secret " + secretA.Reveal() + ", password p@ss/w:rd%?#.":        "secret [INSTANCE_SECRET], password [DB_PASSWORD].",
		"url postgresql://tale:p%40ss%2Fw%3Ard%25%3F%23@db:5432":         "url [POSTGRES_URL]",
		"url postgres://tale:p%40ss%2fw%3ard%25%3f%23@db:5432/x":         "url postgres://tale:[redacted]@db:5432/x",
		`{"url":"postgresql:\/\/tale:p%40ss%2Fw%3Ard%25%3F%23@db:5432"}`: `{"url":"[POSTGRES_URL]"}`,
		"key AGE-SECRET-KEY-1CANARY of /run/secrets/age":                 "key [SOPS_AGE_KEY] of /run/secrets/age",
	} {
		if got := mask(supervise.Stdout, line); got != want {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
	short := secretMask(load(t, environ("DB_PASSWORD", "tale")), nil)
	if got := short(supervise.Stdout, "tale starts"); got != "tale starts" {
		t.Errorf("a short password makes the log unreadable: %q", got)
	}
}
