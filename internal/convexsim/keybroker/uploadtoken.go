package keybroker

import (
	"encoding/hex"
	"errors"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// The tokens of upload URLs (crates/keybroker/src/broker.rs): a version byte, then
// what the cipher of their purpose makes of the protobuf message
// convex_keys.StorageToken.
const (
	uploadPurpose  = "store file authorization"
	uploadVersion  = 1
	uploadValidity = time.Hour

	uploadFieldInstance = 1
	uploadFieldIssued   = 2
	uploadFieldKind     = 3 // the one kind, an empty message
)

// UploadToken returns a token for one upload.
func (b Broker) UploadToken(now time.Time) (string, error) {
	secret, err := adminkey.ParseSecret(b.Secret)
	if err != nil {
		return "", err
	}
	cipher, err := secret.CipherFor(uploadPurpose)
	if err != nil {
		return "", err
	}
	message := protowire.AppendTag(nil, uploadFieldInstance, protowire.BytesType)
	message = protowire.AppendString(message, b.Instance)
	message = protowire.AppendTag(message, uploadFieldIssued, protowire.VarintType)
	message = protowire.AppendVarint(message, uint64(now.Unix()))
	message = protowire.AppendTag(message, uploadFieldKind, protowire.BytesType)
	message = protowire.AppendBytes(message, nil)
	sealed, err := cipher.Encrypt(message, []byte{uploadVersion})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(append([]byte{uploadVersion}, sealed...)), nil
}

// CheckUploadToken returns the failure that a token is answered with, if any.
func (b Broker) CheckUploadToken(token string, now time.Time) error {
	instance, issued, err := b.openUploadToken(token)
	switch {
	case err != nil:
		return protocol.Unauthenticated("StorageTokenInvalid", "Couldn't decode the StoreFileAuthorization token")
	case instance != b.Instance:
		return protocol.Unauthenticated("InvalidStorageToken", "Storage token is for invalid instance "+instance)
	case !now.Before(unixTime(issued).Add(uploadValidity)):
		return protocol.Unauthenticated("StorageTokenExpired", "Store File Authorization expired")
	}
	return nil
}

func (b Broker) openUploadToken(token string) (instance string, issued uint64, err error) {
	secret, err := adminkey.ParseSecret(b.Secret)
	if err != nil {
		return "", 0, err
	}
	cipher, err := secret.CipherFor(uploadPurpose)
	if err != nil {
		return "", 0, err
	}
	blob, err := hex.DecodeString(token)
	if err != nil || len(blob) == 0 || blob[0] != uploadVersion {
		return "", 0, errUndecryptable
	}
	message, err := cipher.Decrypt(blob[1:], blob[:1])
	if err != nil {
		return "", 0, err
	}
	return decodeUploadToken(message)
}

func decodeUploadToken(in []byte) (instance string, issued uint64, err error) {
	for len(in) > 0 {
		number, wire, size := protowire.ConsumeTag(in)
		if size < 0 {
			return "", 0, errMessage
		}
		in = in[size:]
		switch {
		case number == uploadFieldInstance && wire == protowire.BytesType:
			instance, size = protowire.ConsumeString(in)
		case number == uploadFieldIssued && wire == protowire.VarintType:
			issued, size = protowire.ConsumeVarint(in)
		default:
			size = protowire.ConsumeFieldValue(number, wire, in)
		}
		if size < 0 {
			return "", 0, errMessage
		}
		in = in[size:]
	}
	if issued == 0 {
		return "", 0, errors.New("it has no issue time")
	}
	return instance, issued, nil
}
