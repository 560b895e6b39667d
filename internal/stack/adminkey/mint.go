package adminkey

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the protobuf message convex_keys.AdminKey.
const (
	fieldIssued = 2
	fieldMember = 3
)

// Mint returns the key that the backend image's generate_admin_key.sh prints: of
// member 0, to read and write.
func Mint(instanceName, secretHex string) (string, error) {
	return MintFor(instanceName, secretHex, 0)
}

// MintFor returns a new admin key of a member, from the instance's name and its
// secret of 64 hexadecimal digits. Each call returns a different key: the nonce is
// random. The error, if any, is about the name or the secret and contains no secret.
func MintFor(instanceName, secretHex string, member uint64) (string, error) {
	if err := CheckInstanceName(instanceName); err != nil {
		return "", fmt.Errorf("cannot mint an admin key: the instance name %w", err)
	}
	secret, err := ParseSecret(secretHex)
	if err != nil {
		return "", fmt.Errorf("cannot mint an admin key: the instance secret %w", err)
	}
	blob, err := secret.Seal(message(time.Now(), member))
	if err != nil {
		return "", fmt.Errorf("cannot mint an admin key: %w", err)
	}
	return instanceName + "|" + hex.EncodeToString(blob), nil
}

// message writes the member even when it is 0, as the backend's own generator does:
// a oneof field without a value would mean "no identity".
func message(issued time.Time, member uint64) []byte {
	out := protowire.AppendTag(nil, fieldIssued, protowire.VarintType)
	out = protowire.AppendVarint(out, uint64(issued.Unix()))
	out = protowire.AppendTag(out, fieldMember, protowire.VarintType)
	return protowire.AppendVarint(out, member)
}

// CheckInstanceName reports why a name cannot be an instance name, as a
// predicate of it. ':' and '|' separate the parts of a key, a key has to fit into
// an HTTP header, and with '-' written as '_' the name has to be the identifier
// of a database.
func CheckInstanceName(name string) error {
	if name == "" {
		return errors.New("is empty")
	}
	for _, r := range name {
		letter := (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
		if !letter && (r < '0' || r > '9') && r != '_' && r != '-' {
			return fmt.Errorf("%q contains %q", name, r)
		}
	}
	return nil
}
