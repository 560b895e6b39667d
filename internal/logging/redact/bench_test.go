package redact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// BenchmarkRedact is a line of the backend's log and one of JSON, with as many
// secrets as a deployment has.
func BenchmarkRedact(b *testing.B) {
	secrets := map[string]string{"DB_PASSWORD": "p4ss/w0rd+x", "POSTGRES_URL": "postgresql://tale:p4ss%2Fw0rd+x@db:5432"}
	for i := range 10 {
		digest := sha256.Sum256([]byte{byte(i)})
		secrets[fmt.Sprintf("SECRET%d", i)] = hex.EncodeToString(digest[:])
	}
	r := New(secrets)
	for name, line := range map[string]string{
		"log":  `2026-01-02T03:04:05.678901Z  INFO application: [Public] mutation messages:send took 12.3ms, 4 documents, retention 172800, url http://convex:3210/api/mutation`,
		"JSON": strings.Repeat(`{\"path\":\"messages.js\",\"source\":\"import { v } from \\\"convex/values\\\";\\n\",\"environment\":\"isolate\"},`, 100),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				r.Redact(line)
			}
		})
	}
}
