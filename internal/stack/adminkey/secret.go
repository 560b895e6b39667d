package adminkey

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

const secretSize = 32

// Secret is the instance secret: 32 bytes from which keys, cursors and storage
// tokens derive. It prints as its fingerprint, never as its value.
type Secret [secretSize]byte

// ParseSecret reads a secret written as exactly 64 hexadecimal digits, in either
// case, which is the only form a backend starts with. The error is a predicate of
// the secret and never contains it.
func ParseSecret(digits string) (Secret, error) {
	var secret Secret
	if len(digits) != 2*secretSize {
		return secret, fmt.Errorf("has %d characters, not %d", len(digits), 2*secretSize)
	}
	if _, err := hex.Decode(secret[:], []byte(digits)); err != nil {
		// The error of the hex package quotes the character, a part of the secret.
		return Secret{}, errors.New("has characters that are not hex digits")
	}
	return secret, nil
}

// Fingerprint identifies the secret in logs and reports: eight hexadecimal
// digits that are equal on both services when their secrets are equal and tell
// nothing else about it.
func (s Secret) Fingerprint() string {
	return hex.EncodeToString(s.derive("tale-runtime fingerprint", 4))
}

// String returns the fingerprint, so that a secret printed by accident stays one.
func (s Secret) String() string { return "secret " + s.Fingerprint() }

// GoString returns String for %#v.
func (s Secret) GoString() string { return s.String() }

// derive returns the KBKDF in counter mode that the backend uses: the first size
// bytes (at most 32) of HMAC-SHA256(secret, counter 1 || purpose), the counter a
// 32-bit big-endian number, without label, separator or length field.
func (s Secret) derive(purpose string, size int) []byte {
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte{0, 0, 0, 1})
	mac.Write([]byte(purpose))
	return mac.Sum(nil)[:size]
}
