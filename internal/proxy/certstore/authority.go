package certstore

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddypki"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// intermediateLifetime is Caddy's own; it refuses a root that ends before.
const intermediateLifetime = 7 * 24 * time.Hour

// Authority returns the folder of the local authority.
func (s Store) Authority() string {
	return filepath.Join(s.Root, "pki", "authorities", caddypki.DefaultCAID)
}

func (s Store) authorityPair(name string) pair {
	return pair{filepath.Join(s.Authority(), name+".crt"), filepath.Join(s.Authority(), name+".key")}
}

// root returns the root certificate of the local authority, nil when Caddy is going
// to make one. Visitors trust it, so one that is damaged is not replaced, unless
// none can have seen it.
func (h *healer) root() (*x509.Certificate, error) {
	files := h.authorityPair("root")
	var root *x509.Certificate
	err := h.certain(files, func() error {
		chain, err := files.read()
		if err == nil && len(chain) > 1 {
			return &damage{files.certificate, "holds more than one certificate"}
		}
		if err == nil {
			root = chain[0]
		}
		return err
	})
	if err == nil {
		return root, h.checkDates(files, root)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if !isDamage(err) {
		return nil, err
	}
	if restored := h.restoreRoot(files); restored != nil {
		h.log.Warn("the root certificate was restored", "reason", err.Error(), "file", files.certificate)
		return restored, nil
	}
	if len(h.Local) == 0 || h.neverUsed() {
		return nil, h.moveAside(err, files.certificate, files.key)
	}
	return nil, report.Because(exit.Errorf(exit.Config, "cannot use the local authority: %w", err),
		"visitors trust this authority, so no other is made in its place",
		fmt.Sprintf("restore %s and %s from a backup", files.certificate, files.key),
		"or remove both and have visitors trust the new root certificate")
}

// neverUsed reports whether the authority was being made when that ended: Caddy
// makes the intermediate right after the root, and everything else with that.
func (h *healer) neverUsed() bool {
	intermediate := h.authorityPair("intermediate")
	for _, file := range []string{intermediate.certificate, intermediate.key, filepath.Join(h.Root, "certificates", caddypki.DefaultCAID)} {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// restoreRoot writes the root certificate from what is left of it or from the copy
// for other containers, if that belongs to the key; nil if neither does.
func (h *healer) restoreRoot(files pair) *x509.Certificate {
	key, err := readKey(files.key)
	if err != nil {
		return nil
	}
	for _, source := range []string{files.certificate, h.RootCopy} {
		content, err := read(source)
		if err != nil {
			continue
		}
		block, _ := pem.Decode(content)
		if block == nil {
			continue
		}
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !belongs(key, root) || os.RemoveAll(files.certificate) != nil {
			continue
		}
		if atomicfile.Write(files.certificate, pem.EncodeToMemory(block), 0o600) == nil {
			return root
		}
	}
	return nil
}

// checkDates serves an authority that names depend on.
func (h *healer) checkDates(files pair, root *x509.Certificate) error {
	switch {
	case len(h.Local) == 0:
		return nil
	case root.NotBefore.After(h.now):
		return report.Because(exit.Errorf(exit.Unavailable, "cannot use %s: it is valid from %s on, and by this machine's clock it is %s",
			files.certificate, root.NotBefore.Format(time.RFC3339), h.now.UTC().Format(time.RFC3339)),
			"the clock of this machine is behind, or was ahead when the authority was made", "set the clock of the host (timedatectl; NTP)")
	case root.NotAfter.Before(h.now.Add(intermediateLifetime)):
		return report.Because(exit.Errorf(exit.Config, "cannot use %s: it ends on %s, and by this machine's clock it is %s",
			files.certificate, root.NotAfter.Format(time.DateOnly), h.now.UTC().Format(time.RFC3339)),
			"an authority cannot certify beyond its own end; or the clock of this machine is ahead",
			"if the clock is right, remove it and "+files.key+" and have visitors trust the new root certificate", "else set the clock of the host (timedatectl; NTP)")
	}
	return nil
}

// intermediate makes sure that the intermediate certificate, if there is one, can
// sign. Caddy makes it again when its files are gone.
func (h *healer) intermediate(root *x509.Certificate) error {
	files := h.authorityPair("intermediate")
	err := h.certain(files, func() error {
		chain, err := files.read()
		if err != nil {
			return err
		}
		return h.misfit(files.certificate, chain[0], root)
	})
	return h.usable(err, files.certificate, files.key)
}

// misfit returns why a certificate that the root should have signed, and that it can
// sign again, is of no use.
func (h *healer) misfit(path string, certificate, root *x509.Certificate) error {
	switch {
	case root == nil || certificate.CheckSignatureFrom(root) != nil:
		return &damage{path, "was not signed by the root certificate"}
	case certificate.NotBefore.After(h.now):
		return &damage{path, "is from the future: valid from " + certificate.NotBefore.Format(time.RFC3339) + " on"}
	case certificate.NotAfter.Before(h.now):
		return &damage{path, "ended on " + certificate.NotAfter.Format(time.RFC3339)}
	}
	return nil
}
