package keybroker

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// Mint returns an admin key in the current scheme, of the kind that Open would
// return. It is issued now unless the key says when. The acting user is not part
// of what is minted: a client appends it.
func Mint(secretHex string, key Key) (string, error) {
	secret, err := adminkey.ParseSecret(secretHex)
	if err != nil {
		return "", fmt.Errorf("cannot mint an admin key: the instance secret %w", err)
	}
	if key.Issued.IsZero() {
		key.Issued = time.Now()
	}
	m := message{issued: uint64(key.Issued.Unix()), member: key.Member, system: key.System, readOnly: key.ReadOnly}
	blob, err := secret.Seal(m.encode())
	if err != nil {
		return "", fmt.Errorf("cannot mint an admin key: %w", err)
	}
	return key.Instance + "|" + hex.EncodeToString(blob), nil
}
