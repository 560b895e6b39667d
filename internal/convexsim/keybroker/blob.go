package keybroker

import (
	"errors"

	"golang.org/x/crypto/nacl/secretbox"

	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

const legacyNonceSize = 24

var errUndecryptable = errors.New("not encrypted with this secret")

// decrypt opens a blob of either scheme, the current one first as the backend
// does, and reports whether it was the legacy one.
func decrypt(secret adminkey.Secret, blob []byte) (plaintext []byte, legacy bool, err error) {
	if len(blob) == 0 || blob[0] != adminkey.BlobVersion {
		return nil, false, errUndecryptable
	}
	cipher, err := secret.Cipher()
	if err != nil {
		return nil, false, err
	}
	if plaintext, err = cipher.Decrypt(blob[1:], blob[:1]); err == nil {
		return plaintext, false, nil
	}
	plaintext, err = decryptLegacy(secret, blob[1:])
	return plaintext, true, err
}

// decryptLegacy opens the scheme that was issued until 2025-05-30: 24-byte nonce
// || NaCl secretbox under the secret itself.
func decryptLegacy(secret adminkey.Secret, sealed []byte) ([]byte, error) {
	if len(sealed) < legacyNonceSize {
		return nil, errUndecryptable
	}
	key := [len(secret)]byte(secret)
	nonce := [legacyNonceSize]byte(sealed[:legacyNonceSize])
	plaintext, ok := secretbox.Open(nil, sealed[legacyNonceSize:], &nonce, &key)
	if !ok {
		return nil, errUndecryptable
	}
	return plaintext, nil
}
