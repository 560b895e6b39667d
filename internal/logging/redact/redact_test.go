package redact

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

func TestRedact(t *testing.T) {
	pem := "-----BEGIN PRIVATE KEY-----\nMIIEcanary+first/line\nMIIEcanary+second/line=\n-----END PRIVATE KEY-----\n"
	r := New(map[string]string{
		"BETTER_AUTH_SECRET": "canary/+secret==", "DB_PASSWORD": `p@ss"word\canary`, "JWT_PRIVATE_KEY": pem,
		"LONGER": "canary/+secret==longer", "DEBUG_MODE": "true", "EMPTY": "",
	})
	key, err := adminkey.Mint("tale_platform", strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"plain":               {"value canary/+secret== is bad", "value [BETTER_AUTH_SECRET] is bad"},
		"longest wins":        {"canary/+secret==longer", "[LONGER]"},
		"in a query":          {"?s=canary%2F%2Bsecret%3D%3D&x", "?s=[BETTER_AUTH_SECRET]&x"},
		"in JSON":             {`{"p":"p@ss\"word\\canary"}`, `{"p":"[DB_PASSWORD]"}`},
		"in a URL":            {"postgresql://tale:p%40ss%22word%5Ccanary@db:5432", "postgresql://tale:[redacted]@db:5432"},
		"one line of many":    {"  MIIEcanary+second/line=", "  [JWT_PRIVATE_KEY]"},
		"short is kept":       {"DEBUG_MODE is true", "DEBUG_MODE is true"},
		"unknown password":    {"dial postgres://u:hunter2@db/x failed", "dial postgres://u:[redacted]@db/x failed"},
		"no password":         {"see https://docs.convex.dev/x?a=b:c@d", "see https://docs.convex.dev/x?a=b:c@d"},
		"port is no password": {"http://convex:3210/api and a@b", "http://convex:3210/api and a@b"},
		"admin key":           {"--admin-key " + key + " X", "--admin-key [admin key] X"},
		"typed admin key":     {"'prod:" + key + ":eyJuIjoxfQ=='", "'[admin key]'"},
		"a hash is kept":      {"sha " + strings.Repeat("a1", 32), "sha " + strings.Repeat("a1", 32)},
		"verbose answer":      {`x {"environmentVariables":{"A":"b}\"c","D":"e"},"app":1}`, `x {"environmentVariables":{[redacted]},"app":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := r.Redact(tt.text); got != tt.want {
				t.Errorf("%q\nwant %q", got, tt.want)
			}
		})
	}
	if got := (*Redactor)(nil).Redact("key " + key); got != "key [admin key]" {
		t.Errorf("nil redactor: %q", got)
	}
}
