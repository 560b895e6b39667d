package project

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"

	"filippo.io/age"
)

const envHead = `# Settings of this deployment. docker compose reads this file as tale does: a $ is
# written $$, or within single quotes. The secrets are the keys to the data: keep a
# copy of this file in a safe place.
`

// secrets returns fresh ones, in the forms that the first deploy tool made.
func secrets(database bool) []variable {
	list := []variable{
		{"BETTER_AUTH_SECRET", base64.StdEncoding.EncodeToString(random(32)), ""},
		{"ENCRYPTION_SECRET_HEX", hex.EncodeToString(random(32)), ""},
		{"INSTANCE_SECRET", hex.EncodeToString(random(32)), ""},
		{"METRICS_BEARER_TOKEN", hex.EncodeToString(random(32)), ""},
	}
	if key, err := age.GenerateX25519Identity(); err == nil { // it never fails, as random never does
		list = append(list, variable{"SOPS_AGE_KEY", key.String(), ""})
	}
	if database {
		list = append(list, variable{"DB_PASSWORD", base64.RawURLEncoding.EncodeToString(random(16)), "Postgres takes the password at its first start only."})
	}
	return list
}

func random(n int) []byte {
	bytes := make([]byte, n)
	_, _ = rand.Read(bytes) // it never fails
	return bytes
}
