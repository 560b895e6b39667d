package caddyconf

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/tale-project/tale-runtime/internal/proxy/issuer"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// tlsApp returns which certificates there are and who issues them. Storage is not
// swept: one site leaves nothing behind, and for sweeping Caddy writes a file
// into the home folder, outside of the data folder.
func (b *builder) tlsApp() caddytls.TLS {
	if b.s.TLSMode == stack.TLSExternal {
		return caddytls.TLS{DisableStorageClean: true}
	}
	var policies []*caddytls.AutomationPolicy
	if names := b.s.ACMENames(); len(names) > 0 {
		policies = append(policies, &caddytls.AutomationPolicy{SubjectsRaw: names, IssuersRaw: []json.RawMessage{b.acmeIssuer()}})
	}
	if names := b.s.LocalNames(); len(names) > 0 {
		policies = append(policies, &caddytls.AutomationPolicy{
			SubjectsRaw: names,
			IssuersRaw:  []json.RawMessage{module("module", issuer.Local{})},
		})
	}
	return caddytls.TLS{
		CertificatesRaw: modules(caddytls.AutomateLoader(b.s.Names())),
		Automation:      &caddytls.AutomationConfig{Policies: policies},

		DisableStorageClean: true,
	}
}

// pkiApp returns the local authority. It is there even when no name is meant for it:
// Caddy makes one by itself for every name that it takes for a private one, and
// puts that one's root into the trust store of the machine it runs on.
func (b *builder) pkiApp() caddypki.PKI {
	install := false
	return caddypki.PKI{CAs: map[string]*caddypki.CA{caddypki.DefaultCAID: {InstallTrust: &install}}}
}

func (b *builder) acmeIssuer() json.RawMessage {
	client := caddytls.ACMEIssuer{
		CA:    b.s.ACMEDirectory,
		Email: b.s.TLSEmail,
		Challenges: &caddytls.ChallengesConfig{
			HTTP:     &caddytls.HTTPChallengeConfig{AlternatePort: b.s.HTTPPort},
			TLSALPN:  &caddytls.TLSALPNChallengeConfig{AlternatePort: b.s.HTTPSPort},
			BindHost: b.s.BindAddress,
		},
	}
	if b.s.ACMERootFile != "" {
		client.TrustedRootsPEMFiles = []string{b.s.ACMERootFile}
	}
	return module("module", issuer.Issuer{ACMEIssuer: client, Private: b.s.ACMERootFile != ""})
}
