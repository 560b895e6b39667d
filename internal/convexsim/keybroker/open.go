package keybroker

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// errInvalid is a key that the instance does not accept. A backend answers 401
// BadAdminKey to it, and does not say which of the reasons it was.
var errInvalid = errors.New("admin key is invalid for this instance")

// ErrActingUser is a valid key followed by an undecodable user to act as. A
// backend answers 400 HeaderParseFailure to it.
var ErrActingUser = errors.New("the user to act as, after the admin key, is not base64 JSON")

// Key is what an admin key says.
type Key struct {
	Instance string
	Member   uint64 // meaningless when System
	System   bool
	ReadOnly bool
	Issued   time.Time
	// Legacy is set when the key is encrypted in the scheme of before 2025-05-30.
	Legacy bool
	// ActingUser is the JSON document of the user to act as; nil for none.
	ActingUser json.RawMessage
}

// Open decrypts a key and checks that it was issued for the instance. It takes
// what follows "Convex " in an Authorization header. The errors wrap errInvalid
// or ErrActingUser and contain no part of the key; any other error is about the
// instance secret.
func Open(instanceName, secretHex, key string) (Key, error) {
	secret, err := adminkey.ParseSecret(secretHex)
	if err != nil {
		return Key{}, fmt.Errorf("cannot open an admin key: the instance secret %w", err)
	}
	name, blobHex, actingUser, hasUser := split(key)
	m, legacy, err := openBlob(secret, blobHex)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", errInvalid, err)
	}
	if name == "" {
		name = m.instanceName
	}
	opened := Key{
		Instance: name, Member: m.member, System: m.system, ReadOnly: m.readOnly,
		Issued: unixTime(m.issued), Legacy: legacy,
	}
	if err := check(m, name, instanceName); err != nil {
		return Key{}, fmt.Errorf("%w: %w", errInvalid, err)
	}
	if hasUser {
		if opened.ActingUser, err = decodeUser(actingUser); err != nil {
			return Key{}, err
		}
	}
	return opened, nil
}

// split takes a key apart. The dashboard and the CLI put a deployment type such
// as "prod:" before the instance name; it means nothing to a backend.
func split(key string) (name, blobHex, actingUser string, hasUser bool) {
	name, blobHex, named := strings.Cut(key, "|")
	if !named {
		name, blobHex = "", key
	}
	if _, bare, typed := strings.Cut(name, ":"); typed {
		name = bare
	}
	blobHex, actingUser, hasUser = strings.Cut(blobHex, ":")
	return name, blobHex, actingUser, hasUser
}

func openBlob(secret adminkey.Secret, blobHex string) (message, bool, error) {
	blob, err := hex.DecodeString(blobHex)
	if err != nil {
		return message{}, false, errors.New("not hexadecimal")
	}
	plaintext, legacy, err := decrypt(secret, blob)
	if err != nil {
		return message{}, false, err
	}
	m, err := decodeMessage(plaintext)
	return m, legacy, err
}

func check(m message, name, instanceName string) error {
	switch {
	case name == "":
		return errors.New("it names no instance")
	case name != instanceName:
		return fmt.Errorf("it is for the instance %q", name)
	case m.issued == 0:
		return errors.New("it has no issue time")
	case !m.identified:
		return errors.New("it has no identity")
	}
	return nil
}

func decodeUser(encoded string) (json.RawMessage, error) {
	document, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !json.Valid(document) {
		return nil, ErrActingUser
	}
	return document, nil
}

// unixTime clips what an issue time cannot be, so that no key makes a time that
// formats as nonsense.
func unixTime(seconds uint64) time.Time {
	const year9999 = 253402300799
	return time.Unix(int64(min(seconds, year9999)), 0).UTC()
}
