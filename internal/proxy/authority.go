package proxy

import (
	"cmp"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// rootFile is the name of the exported root certificate.
const rootFile = "root.crt"

// rootPath returns where Caddy keeps the root certificate of the local authority;
// other containers that mount the data volume look for it there.
func rootPath(s *Settings) string {
	return filepath.Join(authorityDir(s), rootFile)
}

func authorityDir(s *Settings) string {
	return filepath.Join(s.StorageRoot(), "pki", "authorities", caddypki.DefaultCAID)
}

// awaitAuthority makes the root certificate of our own authority available and
// waits until every name has its certificate. Where no name is certified by it, there
// is nothing to wait for.
func awaitAuthority(ctx context.Context, s *Settings, log *slog.Logger) error {
	names := s.LocalNames()
	if len(names) == 0 {
		return nil
	}
	root, err := runningRoot()
	if err != nil {
		return fmt.Errorf("cannot find the root certificate: %w", err)
	}
	if err := exportRoot(s, root); err != nil {
		log.Warn("functions will not trust the site: its root certificate cannot be handed out", "error", err,
			"fix", fmt.Sprintf("chown %d:%d of the volume at %s", os.Getuid(), os.Getgid(), cmp.Or(s.CAExportDir, s.DataDir)))
	}
	for _, name := range names {
		if err := awaitHandshake(ctx, s, name, root); err != nil {
			return err
		}
	}
	return nil
}

// exportRoot makes the root certificate, and nothing else of the authority,
// readable for other users: as a copy in PROXY_CA_EXPORT_DIR, and in place.
func exportRoot(s *Settings, certificate []byte) error {
	var problems []error
	if s.CAExportDir != "" {
		problems = append(problems, atomicfile.Write(filepath.Join(s.CAExportDir, rootFile), certificate, 0o644))
	}
	// Caddy makes the folders for its own eyes. Passing through them is enough to
	// open a known name; the keys inside stay 0600.
	for dir := authorityDir(s); len(dir) >= len(s.StorageRoot()); dir = filepath.Dir(dir) {
		problems = append(problems, os.Chmod(dir, 0o711))
	}
	problems = append(problems, os.Chmod(rootPath(s), 0o644))
	return errors.Join(problems...)
}

// runningRoot returns the root certificate of the running configuration's local
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
func readRoot(s *Settings) ([]byte, error) {
	certificate, err := os.ReadFile(rootPath(s))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot find the root certificate %s: the proxy makes it at its first start with TLS_MODE=selfsigned", rootPath(s))
	}
	return certificate, err
}
