package settings

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// Names returns every host name that is served: those of the main site first.
func (s *Settings) Names() []string { return append(s.Address().Names, s.Hosts()...) }

// ACMENames returns the names that an ACME authority certifies.
func (s *Settings) ACMENames() []string {
	return slices.DeleteFunc(s.Names(), func(name string) bool { return !s.viaACME(name) })
}

// LocalNames returns those that our own authority certifies: all of them, or, with
// a public authority, those that it would refuse for ever.
func (s *Settings) LocalNames() []string {
	if s.TLSMode == stack.TLSExternal {
		return nil
	}
	return slices.DeleteFunc(s.Names(), s.viaACME)
}

// CertifiedNames returns all that need a certificate here.
func (s *Settings) CertifiedNames() []string {
	if s.TLSMode == stack.TLSExternal {
		return nil
	}
	return s.Names()
}

func (s *Settings) viaACME(name string) bool {
	return s.TLSMode == stack.TLSLetsEncrypt && (isPublicName(name) || s.privateACME())
}

// privateACME reports whether the authority is the operator's own, which
// may certify names that public ones do not.
func (s *Settings) privateACME() bool { return s.ACMEDirectory != letsEncryptDirectory }

// isPublicName reports whether a public authority could certify a name.
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
