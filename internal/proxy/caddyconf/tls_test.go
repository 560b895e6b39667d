package caddyconf

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/settings"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Caddy would add the root of its authority to the machine's trust store, and
// makes an authority whenever a name looks private to it.
func TestTheTrustStoreOfTheMachineIsLeftAlone(t *testing.T) {
	for _, env := range []config.Environ{
		{"SITE_URL": "https://example.com"},
		{"SITE_URL": "https://example.com", "TLS_MODE": "letsencrypt"},
		{"SITE_URL": "https://example.com", "TLS_MODE": "letsencrypt", "HOST": "tale.local"},
		{"SITE_URL": "https://site.lan", "TLS_MODE": "letsencrypt", "ACME_DIRECTORY": "https://ca.lan/acme"},
	} {
		if got := string(New(load(t, env), nil).AppsRaw["pki"]); got != `{"certificate_authorities":{"local":{"install_trust":false}}}` {
			t.Errorf("%v: the authority is %s", env, got)
		}
	}
}

func TestHSTSOnlyWithAPublicCertificate(t *testing.T) {
	for mode, want := range map[string]string{stack.TLSSelfSigned: "", stack.TLSExternal: "", stack.TLSLetsEncrypt: hsts} {
		b := builder{s: &settings.Settings{Site: stack.Site{TLSMode: mode}}}
		if got := strings.Contains(string(b.responseHeaders()), hsts); got != (want != "") {
			t.Errorf("%s: %s", mode, b.responseHeaders())
		}
	}
}
