package issuer

import (
	"sync/atomic"

	"github.com/mholt/acmez/v3/acme"
)

// account is the external account binding. It belongs to the process because
// Caddy makes its modules from JSON, and JSON is where a key must not be.
var account atomic.Pointer[acme.EAB]

// Keep hands the process the external account binding that every Issuer uses
// (RFC 8555 section 7.3.4). It must be called before the configuration is loaded.
func Keep(keyID, key string) {
	account.Store(&acme.EAB{KeyID: keyID, MACKey: key})
}

// kept returns a copy: Caddy expands placeholders in it.
func kept() *acme.EAB {
	binding := account.Load()
	if binding == nil {
		return nil
	}
	return &acme.EAB{KeyID: binding.KeyID, MACKey: binding.MACKey}
}
