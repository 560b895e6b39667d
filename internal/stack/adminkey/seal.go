package adminkey

import "github.com/tink-crypto/tink-go/v2/aead/subtle"

// BlobVersion is the first byte of a key's blob, and the associated data of its
// cipher.
const BlobVersion = 1

const (
	// keyPurpose is the derivation input that separates admin keys from the
	// backend's other tokens.
	keyPurpose    = "admin key"
	cipherKeySize = 16
)

// Cipher returns the cipher of admin keys.
func (s Secret) Cipher() (*subtle.AESGCMSIV, error) { return s.CipherFor(keyPurpose) }

// CipherFor returns the AES-128-GCM-SIV of one purpose, whose output begins with its
// 12-byte random nonce. The backend has others than admin keys
// (crates/keybroker/src/encryptor.rs).
func (s Secret) CipherFor(purpose string) (*subtle.AESGCMSIV, error) {
	return subtle.NewAESGCMSIV(s.derive(purpose, cipherKeySize))
}

// Seal returns the blob of a message: version || nonce || ciphertext.
func (s Secret) Seal(message []byte) ([]byte, error) {
	cipher, err := s.Cipher()
	if err != nil {
		return nil, err
	}
	sealed, err := cipher.Encrypt(message, []byte{BlobVersion})
	if err != nil {
		return nil, err
	}
	return append([]byte{BlobVersion}, sealed...), nil
}
