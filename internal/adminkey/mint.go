package adminkey

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
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
		return "", fmt.Errorf("cannot mint an admin key: %w", err)
	}
	secret, err := ParseSecret(secretHex)
	if err != nil {
		return "", fmt.Errorf("cannot mint an admin key: %w", err)
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

// CheckInstanceName reports why a name cannot be an instance name: ':' and '|'
// separate the parts of a key, and a key must fit into an HTTP header.
func CheckInstanceName(name string) error {
	if name == "" {
		return errors.New("the instance name is empty")
	}
	if i := strings.IndexAny(name, ":|"); i >= 0 {
		return fmt.Errorf("the instance name %q contains %q, which separates the parts of an admin key", name, name[i])
	}
	for _, r := range name {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("the instance name %q contains %q, which an HTTP header cannot carry", name, r)
		}
	}
	return nil
}
