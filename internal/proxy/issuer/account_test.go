package issuer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

func TestTheAccountBindingIsUsedAndNotPartOfTheConfiguration(t *testing.T) {
	host.Provide(host.Process{ACMEKeyID: "key-1", ACMEKey: "canary"})
	defer host.Provide(host.Process{})
	issuer := &Issuer{ACMEIssuer: caddytls.ACMEIssuer{CA: "https://ca.test/directory"}, Private: true}
	text, err := json.Marshal(issuer)
	if err != nil || strings.Contains(string(text), "canary") {
		t.Errorf("the configuration is %s, %v", text, err)
	}
	if err := issuer.Provision(caddytest.EmptyContext(t)); err != nil {
		t.Fatal(err)
	}
	if issuer.ExternalAccount == nil || issuer.ExternalAccount.KeyID != "key-1" || issuer.ExternalAccount.MACKey != "canary" {
		t.Errorf("got %+v", issuer.ExternalAccount)
	}
}

func TestSettingsSurviveTheConfiguration(t *testing.T) {
	text, err := json.Marshal(Issuer{ACMEIssuer: caddytls.ACMEIssuer{CA: "https://ca.test/directory", Email: "me@example.com"}, Private: true})
	if err != nil {
		t.Fatal(err)
	}
	var back Issuer
	if err := caddy.StrictUnmarshalJSON(text, &back); err != nil || back.CA != "https://ca.test/directory" || back.Email != "me@example.com" || !back.Private {
		t.Errorf("%s became %+v, %v", text, back, err)
	}
}

func TestPauses(t *testing.T) {
	for ca, want := range map[string]bool{"https://acme-v02.api.letsencrypt.org/directory": true, "https://acme.other.test/directory": false} {
		issuer := Issuer{ACMEIssuer: caddytls.ACMEIssuer{CA: ca}}
		if got := issuer.pause().usual == eager; got != want {
			t.Errorf("%s: eager %v", ca, got)
		}
	}
}
