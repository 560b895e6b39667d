package certstore

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/certmagic"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// leaves looks at the certificates of the site's names. Caddy gets those again that
// are gone; one whose time is over it renews.
func (h *healer) leaves(root *x509.Certificate) error {
	issuers, err := glob(h.Root, "certificates/*")
	for _, issuer := range issuers {
		names := h.Public
		local := filepath.Base(issuer) == caddypki.DefaultCAID
		if local {
			names = h.Local
		}
		for _, name := range names {
			err = errors.Join(err, h.leaf(issuer, name, local, root))
		}
	}
	return err
}

func (h *healer) leaf(issuer, name string, local bool, root *x509.Certificate) error {
	safe := certmagic.StorageKeys.Safe(name)
	base := filepath.Join(issuer, safe, safe)
	files := pair{base + ".crt", base + ".key"}
	err := h.certain(files, func() error { return h.checkLeaf(files, name, local, root) })
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case isDamage(err):
		return h.moveAside(err, files.certificate, files.key, base+".json")
	case err != nil:
		return err
	}
	return h.metadata(base+".json", name)
}

func (h *healer) checkLeaf(files pair, name string, local bool, root *x509.Certificate) error {
	chain, err := files.read()
	switch {
	case err != nil:
		return err
	case chain[0].VerifyHostname(name) != nil:
		return &damage{files.certificate, "is not for " + name}
	case local:
		return h.strayLeaf(files.certificate, chain, root)
	case len(chain) == 1 && !h.ofRoot(chain[0]) && !h.wasAlone(files.certificate):
		return &damage{files.certificate, "holds one certificate, without that of its issuer"}
	case chain[0].NotBefore.After(h.now):
		// Another authority's clock is right more often than that of a machine.
		h.log.Warn("a certificate is from the future; is this machine's clock right?", "file", files.certificate, "valid_from", chain[0].NotBefore)
	}
	return nil
}

// ofRoot reports whether a root that visitors trust signed a certificate itself, which
// then needs no other. Whether it is valid today is Caddy's concern.
func (h *healer) ofRoot(certificate *x509.Certificate) bool {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if own, err := read(h.ACMERoot); err == nil {
		roots.AppendCertsFromPEM(own)
	}
	chains, _ := certificate.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: certificate.NotBefore})
	return slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
		last := chain[len(chain)-1] // an intermediate that is in a file of roots is not known to visitors
		return bytes.Equal(last.RawIssuer, last.RawSubject)
	})
}

// wasAlone reports whether a certificate without that of its issuer was moved aside
// before: then the authority gives no other. Else the file was cut between the two, and
// most visitors would not trust what is left.
func (h *healer) wasAlone(path string) bool {
	inside, err := filepath.Rel(h.Root, path)
	if err != nil {
		return true
	}
	before, err := glob(filepath.Join(h.Root, asideName), "*/"+filepath.ToSlash(inside))
	return err != nil || slices.ContainsFunc(before, func(one string) bool {
		chain, err := readChain(one)
		return err == nil && len(chain) == 1
	})
}

// strayLeaf returns why a certificate of the local authority is not worth keeping.
func (h *healer) strayLeaf(path string, chain []*x509.Certificate, root *x509.Certificate) error {
	switch {
	case len(chain) < 2 || chain[0].CheckSignatureFrom(chain[1]) != nil || root == nil || chain[1].CheckSignatureFrom(root) != nil:
		return &damage{path, "was not signed by the local authority"}
	case chain[0].NotBefore.After(h.now):
		return &damage{path, "is from the future: valid from " + chain[0].NotBefore.Format(time.RFC3339) + " on"}
	}
	return nil
}

// metadata makes sure that the file which Caddy keeps beside a good certificate can
// be read: without it the certificate would be got again.
func (h *healer) metadata(path, name string) error {
	content, err := read(path)
	var kept certmagic.CertificateResource
	if err == nil && json.Unmarshal(content, &kept) != nil {
		err = &damage{path, "is cut off or overwritten"}
	}
	switch {
	case err == nil:
		return nil
	case !isDamage(err) && !errors.Is(err, fs.ErrNotExist):
		return err
	case isDamage(err):
		h.log.Warn("part of the certificate store cannot be used and is made again", "reason", err.Error())
	}
	content, err = json.Marshal(certmagic.CertificateResource{SANs: []string{name}})
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(path), atomicfile.Write(path, content, 0o600))
}
