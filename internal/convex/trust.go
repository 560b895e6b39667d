package convex

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tale-project/tale-runtime/internal/atomicfile"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
)

const (
	// pokeEvery is how often the proxy is asked to make its root certificate.
	pokeEvery = 2 * time.Second
	// lookFast and lookSlow are the pauses between two looks at the root
	// certificate: while it is being waited for, and later. The folder it will
	// be in need not exist yet, so there is nothing to be notified by.
	lookFast = 250 * time.Millisecond
	lookSlow = 5 * time.Second
)

// trustBundle is the certificate file that the children trust: the system's
// authorities and, with TLS_MODE=selfsigned, the proxy's own root.
//
// The backend's start does not wait for the root, which may come late (a proxy
// that itself waits for convex) or never. But a process reads its authorities
// once: the backend reads the file when it connects to Postgres and before its
// first fetch, Node.js at its start. So the file is always at the same path, it
// is replaced when the root appears or changes, and the children that were
// started before are then restarted once.
type trustBundle struct {
	log      *slog.Logger
	settings Trust
	path     string
	system   []byte // the authorities trusted anyway, in PEM
}

// systemBundles are the places where distributions keep the authorities.
var systemBundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}

func newTrustBundle(log *slog.Logger, settings Trust, runDir string, environ config.Environ) *trustBundle {
	b := &trustBundle{log: log, settings: settings, path: filepath.Join(runDir, "convex-ca-certificates.crt")}
	for _, path := range append([]string{environ["SSL_CERT_FILE"]}, systemBundles...) {
		if data, err := os.ReadFile(path); err == nil && len(data) > 0 {
			b.system = data
			break
		}
	}
	// What the operator gave Node.js must not get lost when we set the variable.
	if extra, err := os.ReadFile(environ["NODE_EXTRA_CA_CERTS"]); err == nil {
		b.system = append(append(bytes.Clone(b.system), '\n'), extra...)
	}
	return b
}

// needed tells whether there is a root to learn.
func (b *trustBundle) needed() bool {
	return b.settings.TLSMode == "selfsigned" && b.settings.CACertPath != ""
}

// Refresh writes the bundle if it is not what it should be. It reports whether
// the proxy's root is in it, and whether the file changed.
func (b *trustBundle) Refresh() (present, changed bool, err error) {
	root, err := readRoot(b.settings.CACertPath)
	if err != nil {
		return false, false, err
	}
	bundle := bytes.Join([][]byte{b.system, root}, []byte("\n"))
	if old, err := os.ReadFile(b.path); err == nil && bytes.Equal(old, bundle) {
		return len(root) > 0, false, nil
	}
	return len(root) > 0, true, atomicfile.Write(b.path, bundle, 0o644)
}

// readRoot returns the certificates of the root file, or nothing when it is not
// there yet. Whatever else is in the file is left out: the backend does not
// start with a bundle that has anything unreadable in it.
func readRoot(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the proxy's root certificate: %w", err)
	}
	var root []byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); block.Type == "CERTIFICATE" && err == nil {
			root = append(root, pem.EncodeToMemory(block)...)
		}
	}
	return root, nil
}

// Env is what makes the children trust the bundle.
func (b *trustBundle) Env() map[string]string {
	if info, err := os.Stat(b.path); err != nil || info.Size() < int64(len("-----BEGIN")) {
		return nil // nothing to trust is worse than the child's own idea
	}
	return map[string]string{"SSL_CERT_FILE": b.path, "NODE_EXTRA_CA_CERTS": b.path}
}

// Watch keeps the bundle up to date until ctx ends, and calls changed after
// each change. While the root is missing it asks the proxy for it, for the
// settings' time; then it says so and keeps looking quietly.
func (b *trustBundle) Watch(ctx context.Context, changed func()) {
	waitingSince, warned, poked := time.Now(), false, time.Time{}
	for {
		present, isNew, err := b.Refresh()
		switch {
		case err != nil:
			b.log.Warn("cannot keep the certificate bundle up to date", logging.Err(err))
		case isNew:
			b.log.Info("the proxy's root certificate is new: the children learn to trust it", "bundle", b.path)
			changed()
		}
		waiting := !present && time.Since(waitingSince) < b.settings.CAWaitTimeout
		if present {
			waitingSince, warned = time.Now(), false
		} else if !waiting && !warned {
			warned = true
			b.log.Warn("the proxy's root certificate has not appeared; functions that fetch the public URL fail until it does",
				"path", b.settings.CACertPath, "waited", b.settings.CAWaitTimeout,
				"fix", "start the proxy and share its data volume, or set TLS_MODE to what the proxy uses")
		}
		if waiting && time.Since(poked) >= pokeEvery {
			poked = time.Now()
			b.poke(ctx)
		}
		if !sleep(ctx, b.pause(waiting)) {
			return
		}
	}
}

func (b *trustBundle) pause(waiting bool) time.Duration {
	if waiting {
		return lookFast
	}
	return lookSlow
}

// poke asks the proxy for anything over https: some proxies make their root
// with the first handshake. The certificate is not checked, as it is the very
// thing that nobody can check yet; nothing is sent but the request.
func (b *trustBundle) poke(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pokeEvery)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		DisableKeepAlives: true,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+b.settings.Host+"/health", nil)
	if err != nil {
		b.log.Debug("cannot ask the proxy for its root certificate", logging.Err(err))
		return
	}
	response, err := client.Do(request)
	if err != nil {
		b.log.Debug("the proxy does not answer yet", logging.Err(err))
		return
	}
	_ = response.Body.Close()
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
