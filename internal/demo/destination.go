package demo

import (
	"crypto/x509"
	"fmt"
	"os"

	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// rootFile is the root certificate, where PROXY_CA_EXPORT_DIR has the proxy put it.
const rootFile = "root.crt"

// destination is the stack that a visitor goes to.
type destination struct {
	site     string // its public URL
	root     string // file with the root certificate to trust
	connect  string // host:port to connect to instead of the site's own; may be empty
	instance string
	secret   string
}

func (d destination) visitor() (*site.Visitor, error) {
	root, err := os.ReadFile(d.root)
	if err != nil {
		return nil, fmt.Errorf("cannot trust the proxy: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return nil, fmt.Errorf("cannot trust the proxy: %s holds no certificate", d.root)
	}
	key, err := adminkey.Mint(d.instance, d.secret)
	if err != nil {
		return nil, err
	}
	return site.New(site.Options{URL: d.site, Roots: roots, Connect: d.connect, AdminKey: key}), nil
}

// visitor returns a visitor of the stack that the demo runs.
func (s *stack) visitor() (*site.Visitor, error) {
	id := s.environment.id
	return destination{
		site: id.siteURL(), root: s.environment.folder.join(rootFile), instance: instanceName, secret: id.Secrets.Instance,
	}.visitor()
}
