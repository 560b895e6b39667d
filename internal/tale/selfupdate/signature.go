package selfupdate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"aead.dev/minisign"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// maxSignature is more than any signature has, in bytes.
const maxSignature = 4 << 10

// comment returns what is signed besides the bytes of a file: without it an old or
// another file could be passed off as this one.
func comment(version, name string) string { return "tale " + version + " " + name }

// untrusted is the first line of a signature, which is not signed. It is always the same,
// so that every byte of a signature counts.
const untrusted = "signature of a release of tale"

// Sign returns the signature of a file of a release.
func Sign(key minisign.PrivateKey, version, name string, file io.Reader) ([]byte, error) {
	reader := minisign.NewReader(file)
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return nil, err
	}
	return reader.SignWithComments(key, comment(version, name), untrusted), nil
}

// Verify reads a file of a release to its end and returns its SHA-256, or an error unless
// one of the keys has signed these bytes as the file of that name of that version.
func Verify(keys []minisign.PublicKey, version, name string, file io.Reader, signature []byte) (digest string, err error) {
	comment := comment(version, name)
	parsed, err := parseSignature(name, signature)
	switch {
	case err != nil:
		return "", err
	case parsed.TrustedComment != comment:
		return "", refused("the signature of %s is of %q, and not of %q", name, parsed.TrustedComment, comment)
	}
	hash := sha256.New()
	reader := minisign.NewReader(io.TeeReader(file, hash))
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return "", fmt.Errorf("cannot read %s: %w", name, err)
	}
	for _, key := range keys {
		if reader.Verify(key, signature) {
			return hex.EncodeToString(hash.Sum(nil)), nil
		}
	}
	return "", refused("%s is not what was signed, or the key that signed it is none of this build's: a changed download, or keys that were replaced since", name)
}

// parseSignature returns a signature that is written in the one way that Sign writes it.
func parseSignature(name string, text []byte) (parsed minisign.Signature, err error) {
	if err = parsed.UnmarshalText(text); err == nil {
		canonical := parsed
		canonical.UntrustedComment, canonical.Algorithm = untrusted, minisign.HashEdDSA
		if again, err := canonical.MarshalText(); err == nil && bytes.Equal(again, text) {
			return parsed, nil
		}
	}
	return parsed, refused("the signature of %s is none of a release%s", name, webPage(text))
}

// refused returns the error of a file that is not what it should be.
func refused(format string, args ...any) error {
	return exit.Errorf(exit.DeployRefused, "refused: "+format, args...)
}

// webPage returns what to say of an answer that is meant for people.
func webPage(text []byte) string {
	if text = bytes.TrimSpace(text); len(text) > 0 && text[0] == '<' {
		return ": it is a web page, as of a proxy that wants a login"
	}
	return ""
}
