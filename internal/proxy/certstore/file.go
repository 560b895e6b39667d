package certstore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/certmagic"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

// maxFile is far more than any file of a store has, in bytes.
const maxFile = 1 << 20

// damage is why a file cannot be used, in words for an operator.
type damage struct{ path, reason string }

func (d *damage) Error() string { return d.path + " " + d.reason }

// isDamage reports whether the error is about the content of the store, as opposed
// to the right to read it.
func isDamage(err error) bool {
	var d *damage
	return errors.As(err, &d)
}

// read returns the content of a file. The error is fs.ErrNotExist, a *damage, or
// carries an exit code. A pipe is never opened: that would wait for ever.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	var content []byte
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fs.ErrNotExist
	case err == nil && !info.Mode().IsRegular():
		return nil, &damage{path, "is not a regular file"}
	case err == nil && info.Size() > maxFile:
		return nil, &damage{path, fmt.Sprintf("has %d bytes", info.Size())}
	case err == nil:
		content, err = os.ReadFile(path)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, report.Because(exit.Errorf(exit.NoPermission, "cannot read the certificate store as uid %d: %w", os.Getuid(), err),
			"part of the data folder belongs to another user: a restored backup, or a proxy that ran as root",
			fmt.Sprintf("give it and all in it to this user: chown -R %d:%d of the volume that is mounted there", os.Getuid(), os.Getgid()))
	case err != nil:
		return nil, &damage{path, "cannot be read: " + err.Error()}
	case len(content) == 0:
		return nil, &damage{path, "is empty"}
	case len(bytes.Trim(content, "\x00")) == 0:
		return nil, &damage{path, "holds NUL bytes only"}
	}
	return content, nil
}

// readChain returns the certificates of a file that holds nothing else.
func readChain(path string) ([]*x509.Certificate, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	block, rest := pem.Decode(content)
	for ; block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return nil, &damage{path, "holds something that is no certificate"}
		}
		chain = append(chain, certificate)
	}
	if len(chain) == 0 || strings.TrimSpace(string(rest)) != "" {
		return nil, &damage{path, "is cut off or overwritten"}
	}
	return chain, nil
}

// glob returns the files of a folder that match a pattern, which does not say anything
// about the folder: its name may have brackets.
func glob(folder, pattern string) ([]string, error) {
	found, err := fs.Glob(os.DirFS(folder), pattern)
	for i, name := range found {
		found[i] = filepath.Join(folder, filepath.FromSlash(name))
	}
	return found, err
}

func readKey(path string) (crypto.Signer, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	key, err := certmagic.PEMDecodePrivateKey(content)
	if err != nil {
		return nil, &damage{path, "holds no usable key"} // the error could quote it
	}
	return key, nil
}

// pair is a certificate's file and that of its key.
type pair struct{ certificate, key string }

// read returns the certificates. The error is fs.ErrNotExist when both files are
// missing, and a *damage when one is, or when they do not belong together.
func (p pair) read() ([]*x509.Certificate, error) {
	chain, err := readChain(p.certificate)
	key, keyErr := readKey(p.key)
	noChain, noKey := errors.Is(err, fs.ErrNotExist), errors.Is(keyErr, fs.ErrNotExist)
	switch {
	case noChain && noKey:
		return nil, fs.ErrNotExist
	case noChain && (keyErr == nil || isDamage(keyErr)):
		return nil, &damage{p.certificate, "is missing"}
	case err != nil && !noChain:
		return nil, err
	case noKey:
		return nil, &damage{p.key, "is missing"}
	case keyErr != nil:
		return nil, keyErr
	case !belongs(key, chain[0]):
		return nil, &damage{p.key, "does not belong to " + p.certificate}
	}
	return chain, nil
}

func belongs(key crypto.Signer, certificate *x509.Certificate) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(certificate.PublicKey)
}
