package proxy

import (
	"encoding/json"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// tlsApp says which certificates there are and who issues them.
func (b *builder) tlsApp() caddytls.TLS {
	var public, private []string
	for _, name := range b.site.names {
		if b.s.TLSMode == TLSLetsEncrypt && (isPublicName(name) || b.s.privateACME()) {
			public = append(public, name)
		} else {
			private = append(private, name)
		}
	}
	var policies []*caddytls.AutomationPolicy
	if len(public) > 0 {
		policies = append(policies, &caddytls.AutomationPolicy{SubjectsRaw: public, IssuersRaw: []json.RawMessage{b.acmeIssuer()}})
	}
	if len(private) > 0 {
		policies = append(policies, &caddytls.AutomationPolicy{
			SubjectsRaw: private,
			IssuersRaw:  []json.RawMessage{module("module", "internal", caddytls.InternalIssuer{})},
		})
	}
	return caddytls.TLS{
		CertificatesRaw: caddy.ModuleMap{"automate": toJSON(b.site.names)},
		Automation:      &caddytls.AutomationConfig{Policies: policies},
	}
}

// pkiApp is the local authority. It is never put into the trust store of the
// machine it runs on: that is a container's, and nobody looks there.
func (b *builder) pkiApp() caddypki.PKI {
	install := false
	return caddypki.PKI{CAs: map[string]*caddypki.CA{caddypki.DefaultCAID: {InstallTrust: &install}}}
}

func (b *builder) acmeIssuer() json.RawMessage {
	issuer := caddytls.ACMEIssuer{
		CA:    b.s.ACMEDirectory,
		Email: b.s.TLSEmail,
		Challenges: &caddytls.ChallengesConfig{
			HTTP:     &caddytls.HTTPChallengeConfig{AlternatePort: b.s.HTTPPort},
			TLSALPN:  &caddytls.TLSALPNChallengeConfig{AlternatePort: b.s.HTTPSPort},
			BindHost: b.s.BindAddress,
		},
	}
	if b.s.ACMERootFile != "" {
		issuer.TrustedRootsPEMFiles = []string{b.s.ACMERootFile}
	}
	return module("module", "acme", issuer)
}

// privateACME tells whether the operator has an authority of their own, which
// may certify names that public ones do not.
func (s *Settings) privateACME() bool { return s.ACMEDirectory != letsEncryptDirectory }

// isPublicName tells whether a public authority could certify a name.
func isPublicName(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	labels := strings.Split(name, ".")
	switch labels[len(labels)-1] {
	case "local", "localhost", "internal", "test", "invalid", "example", "lan", "home", "arpa":
		return false
	}
	return len(labels) > 1
}
