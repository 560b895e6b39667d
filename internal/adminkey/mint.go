package adminkey

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Option changes what a minted key is for. Without any, it is the key that the
// backend image's generate_admin_key.sh prints: member 0, read and write.
type Option func(*message)

// ReadOnly makes a key that may list and query but not write.
func ReadOnly() Option { return func(m *message) { m.readOnly = true } }

// Member makes the key of a given member.
func Member(id uint64) Option { return func(m *message) { m.member, m.system = id, false } }

// System makes a system key. Backends of early 2026 refuse it on write routes
// with 403 BadDeployKey.
func System() Option { return func(m *message) { m.member, m.system = 0, true } }

// issuedAt sets the issue time, which is now otherwise. It is informative: keys
// do not expire.
func issuedAt(t time.Time) Option {
	return func(m *message) { m.issued = uint64(max(t.Unix(), 1)) }
}

// Mint returns a new admin key for an instance, from its name and its secret of
// 64 hexadecimal digits. Each call returns a different key: the nonce is random.
// The error, if any, is about the name or the secret and contains no secret.
func Mint(instanceName, secretHex string, options ...Option) (string, error) {
	if err := CheckInstanceName(instanceName); err != nil {
		return "", fmt.Errorf("cannot mint an admin key: the instance name %w", err)
	}
	secret, err := ParseSecret(secretHex)
	if err != nil {
		return "", fmt.Errorf("cannot mint an admin key: the instance secret %w", err)
	}
	m := message{issued: uint64(time.Now().Unix())}
	for _, option := range options {
		option(&m)
	}
	blob, err := seal(secret, m.encode())
	if err != nil {
		return "", fmt.Errorf("cannot mint an admin key: %w", err)
	}
	return instanceName + "|" + hex.EncodeToString(blob), nil
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
