package settings

import (
	"net"
	"path/filepath"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// StorageRoot returns the folder in which Caddy itself would keep its data if its
// data folder were DataDir, so that other containers find the root certificate at
// its usual path and a volume written by stock Caddy goes on being used.
func (s *Settings) StorageRoot() string { return filepath.Join(s.DataDir, "caddy") }

// ListenAddress returns the address on which one of the two public ports is opened.
func (s *Settings) ListenAddress(port int) string {
	return net.JoinHostPort(s.BindAddress, strconv.Itoa(port))
}

// OffersHTTP3 reports whether the site is served over HTTP/3, too.
func (s *Settings) OffersHTTP3() bool { return s.HTTP3 == on && s.TLSMode != stack.TLSExternal }
