package adminkey

import (
	"errors"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"golang.org/x/crypto/nacl/secretbox"
)

const (
	// blobVersion is the first byte of a blob, and the associated data of the
	// current scheme.
	blobVersion = 1
	// keyPurpose is the derivation input that separates admin keys from the
	// backend's other tokens.
	keyPurpose      = "admin key"
	cipherKeySize   = 16
	legacyNonceSize = 24
)

var errUndecryptable = errors.New("not encrypted with this secret")

// seal encrypts a message in the current scheme: version || 12-byte random nonce
// || AES-128-GCM-SIV, with the version byte as associated data.
func seal(secret Secret, plaintext []byte) ([]byte, error) {
	cipher, err := subtle.NewAESGCMSIV(secret.derive(keyPurpose, cipherKeySize))
	if err != nil {
		return nil, err
	}
	sealed, err := cipher.Encrypt(plaintext, []byte{blobVersion})
	if err != nil {
		return nil, err
	}
	return append([]byte{blobVersion}, sealed...), nil
}

// open decrypts a blob of either scheme, the current one first as the backend
// does, and says whether it was the legacy one.
func open(secret Secret, blob []byte) (plaintext []byte, legacy bool, err error) {
	if len(blob) == 0 || blob[0] != blobVersion {
		return nil, false, errUndecryptable
	}
	cipher, err := subtle.NewAESGCMSIV(secret.derive(keyPurpose, cipherKeySize))
	if err != nil {
		return nil, false, err
	}
	if plaintext, err = cipher.Decrypt(blob[1:], blob[:1]); err == nil {
		return plaintext, false, nil
	}
	plaintext, err = openLegacy(secret, blob[1:])
	return plaintext, true, err
}

// openLegacy decrypts the scheme that was issued until 2025-05-30: 24-byte nonce
// || NaCl secretbox under the secret itself.
func openLegacy(secret Secret, sealed []byte) ([]byte, error) {
	if len(sealed) < legacyNonceSize {
		return nil, errUndecryptable
	}
	key := [secretSize]byte(secret)
	nonce := [legacyNonceSize]byte(sealed[:legacyNonceSize])
	plaintext, ok := secretbox.Open(nil, sealed[legacyNonceSize:], &nonce, &key)
	if !ok {
		return nil, errUndecryptable
	}
	return plaintext, nil
}
