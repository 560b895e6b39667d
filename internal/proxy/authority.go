package proxy

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"

	"github.com/tale-project/tale-runtime/internal/atomicfile"
)

// rootFile is the name of the exported root certificate.
const rootFile = "root.crt"

// rootPath is where Caddy keeps the root certificate of the local authority;
// other containers that mount the data volume look for it there.
func (s *Settings) rootPath() string {
	return filepath.Join(s.authorityDir(), rootFile)
}

func (s *Settings) authorityDir() string {
	return filepath.Join(s.storageRoot(), "pki", "authorities", caddypki.DefaultCAID)
}

// exportRoot makes the root certificate, and nothing else of the authority,
// readable for other users: as a copy in PROXY_CA_EXPORT_DIR, and in place.
func (s *Settings) exportRoot(certificate []byte) error {
	var problems []error
	if s.CAExportDir != "" {
		problems = append(problems, atomicfile.Write(filepath.Join(s.CAExportDir, rootFile), certificate, 0o644))
	}
	// Caddy makes the folders for its own eyes. Passing through them is enough to
	// open a known name; the keys inside stay 0600.
	for dir := s.authorityDir(); len(dir) >= len(s.storageRoot()); dir = filepath.Dir(dir) {
		problems = append(problems, os.Chmod(dir, 0o711))
	}
	problems = append(problems, os.Chmod(s.rootPath(), 0o644))
	return errors.Join(problems...)
}

// runningRoot is the root certificate of the running configuration's local
// authority, in PEM.
func runningRoot() ([]byte, error) {
	app, err := caddy.ActiveContext().AppIfConfigured("pki")
	if err != nil {
		return nil, err
	}
	authority := app.(*caddypki.PKI).CAs[caddypki.DefaultCAID]
	if authority == nil {
		return nil, errors.New("there is no local authority")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.RootCertificate().Raw}), nil
}

// readRoot returns the root certificate that a proxy with these settings made.
func (s *Settings) readRoot() ([]byte, error) {
	certificate, err := os.ReadFile(s.rootPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot find the root certificate %s: the proxy makes it at its first start with TLS_MODE=selfsigned", s.rootPath())
	}
	return certificate, err
}
