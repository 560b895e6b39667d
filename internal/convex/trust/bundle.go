package trust

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// Settings say how the children learn to trust the proxy's own authority.
type Settings struct {
	CACertPath    string        `env:"CADDY_CA_CERT_PATH" tier:"advanced" doc:"The proxy's root certificate, on the volume shared with it. Without it the children trust the system's authorities only."`
	CAWaitTimeout time.Duration `env:"CA_WAIT_TIMEOUT" tier:"advanced" envDefault:"60" doc:"How long the missing root certificate is asked for before a warning. The backend does not wait for it."`
}

// Bundle is the certificate file that the children trust: the system's
// authorities and, with TLS_MODE=selfsigned, the proxy's own root.
//
// The backend's start does not wait for the root, which may come late (a proxy
// that itself waits for convex) or never. But a process reads its authorities
// once: the backend when it connects to Postgres and before its first fetch,
// Node.js at its start. So the file always has the same path, it is replaced when
// the root appears or changes, and the children that run then must start again.
type Bundle struct {
	log      *slog.Logger
	settings Settings
	site     stack.Site
	path     string
	system   []byte // the authorities trusted anyway, in PEM
	changed  chan struct{}

	mu       sync.Mutex
	seen     [2]fileState // of root and bundle when the bundle was last right
	revision int          // counts the changes of the bundle
}

// fileState identifies the version of a file that was read.
type fileState struct {
	modified time.Time
	size     int64
}

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{info.ModTime(), info.Size()}
}

// systemBundles are the places where distributions keep the authorities.
var systemBundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}

// New returns the bundle of a service; Refresh writes its file.
func New(log *slog.Logger, settings Settings, site stack.Site, runDir string, environ config.Environ) *Bundle {
	b := &Bundle{log: log, settings: settings, site: site, path: filepath.Join(runDir, "convex-ca-certificates.crt"), changed: make(chan struct{}, 1)}
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

// Needed reports whether the proxy has a root to learn.
func (b *Bundle) Needed() bool {
	return b.site.TLSMode == stack.TLSSelfSigned && b.settings.CACertPath != ""
}

// Refresh writes the bundle if it is not what it should be. It reports whether
// the proxy's root is in it, and whether the file changed.
func (b *Bundle) Refresh() (present, changed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen[0] != (fileState{}) && b.seen == b.states() {
		return true, false, nil
	}
	root, err := readRoot(b.settings.CACertPath)
	if err != nil {
		return false, false, err
	}
	present = len(root) > 0
	bundle := bytes.Join([][]byte{b.system, root}, []byte("\n"))
	if old, err := os.ReadFile(b.path); err != nil || !bytes.Equal(old, bundle) {
		changed = true
		b.revision++
		if err := atomicfile.WriteVolatile(b.path, bundle, 0o644); err != nil {
			return false, false, err
		}
	}
	b.seen = [2]fileState{}
	if present {
		b.seen = b.states()
	}
	return present, changed, nil
}

func (b *Bundle) states() [2]fileState {
	return [2]fileState{stateOf(b.settings.CACertPath), stateOf(b.path)}
}

// Revision counts the changes of the bundle.
func (b *Bundle) Revision() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.revision
}

// Env returns the variables that make a child trust the bundle, none where it is
// not needed.
func (b *Bundle) Env() map[string]string {
	if !b.Needed() {
		return nil
	}
	if info, err := os.Stat(b.path); err != nil || info.Size() < int64(len("-----BEGIN")) {
		return nil // the child's own default is better than a bundle without certificates
	}
	return map[string]string{"SSL_CERT_FILE": b.path, "NODE_EXTRA_CA_CERTS": b.path}
}
