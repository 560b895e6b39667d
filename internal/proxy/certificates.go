package proxy

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/tale-project/tale-runtime/internal/proxy/issuer"
)

// tlsApp says which certificates there are and who issues them. Storage is not
// swept: one site leaves nothing behind, and for sweeping Caddy writes a file
// into the home folder, outside of the data folder.
func (b *builder) tlsApp() caddytls.TLS {
	if b.s.TLSMode == tlsExternal {
		return caddytls.TLS{DisableStorageClean: true}
	}
	var policies []*caddytls.AutomationPolicy
	if names := b.s.acmeNames(); len(names) > 0 {
		policies = append(policies, &caddytls.AutomationPolicy{SubjectsRaw: names, IssuersRaw: []json.RawMessage{b.acmeIssuer()}})
	}
	if names := b.s.localNames(); len(names) > 0 {
		policies = append(policies, &caddytls.AutomationPolicy{
			SubjectsRaw: names,
			IssuersRaw:  []json.RawMessage{module("module", issuer.Local{})},
		})
	}
	return caddytls.TLS{
		CertificatesRaw: modules(caddytls.AutomateLoader(b.site.Names)),
		Automation:      &caddytls.AutomationConfig{Policies: policies},

		DisableStorageClean: true,
	}
}

// acmeNames are the names that an ACME authority certifies.
func (s *Settings) acmeNames() []string {
	return slices.DeleteFunc(s.Address().Names, func(name string) bool { return !s.viaACME(name) })
}

// localNames are those that our own authority certifies: all of them, or, with
// a public authority, those that it would refuse for ever.
func (s *Settings) localNames() []string {
	if s.TLSMode == tlsExternal {
		return nil
	}
	return slices.DeleteFunc(s.Address().Names, s.viaACME)
}

// certifiedNames are all that need a certificate here.
func (s *Settings) certifiedNames() []string {
	if s.TLSMode == tlsExternal {
		return nil
	}
	return s.Address().Names
}

func (s *Settings) viaACME(name string) bool {
	return s.TLSMode == tlsLetsEncrypt && (isPublicName(name) || s.privateACME())
}

// pkiApp is the local authority. It is there even when no name is meant for it:
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
