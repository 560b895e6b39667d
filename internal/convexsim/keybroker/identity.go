package keybroker

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// Identity is who a request comes from, as far as the backend distinguishes them.
type Identity int

// The identities, from the least that may be done to the most.
const (
	Anonymous Identity = iota
	System
	ReadOnlyAdmin
	Admin
)

const authPrefix = "convex "

// Broker opens the keys of one instance.
type Broker struct {
	Instance string
	Secret   string // 64 hexadecimal digits
}

// OfRequest reads the Authorization header, or without one the query
// parameter adminKey.
func (b Broker) OfRequest(r *http.Request) (Identity, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		if key := r.URL.Query().Get("adminKey"); key != "" {
			return b.OfKey(key)
		}
		return Anonymous, nil
	}
	header := values[0]
	if len(header) < len(authPrefix) {
		return Anonymous, protocol.BadRequest("InvalidHeaderFailure", "Invalid authentication header")
	}
	if strings.EqualFold(header[:len(authPrefix)], authPrefix) {
		return b.OfKey(header[len(authPrefix):])
	}
	return Anonymous, BearerFailure(header)
}

// BearerFailure returns the answer to a token that is not an admin key. Its checking
// needs an OpenID provider, so no token is ever accepted here.
func BearerFailure(header string) error {
	token, ok := strings.CutPrefix(strings.ToLower(header), "bearer ")
	if !ok || token == "" {
		return protocol.BadRequest("InvalidAdminKey", "Invalid admin key")
	}
	return protocol.Unauthenticated("NoAuthProvider",
		"No auth provider found matching the given token (the simulator checks no tokens).")
}

// OfKey opens the key of an Authorization header, which may be followed by
// a user to act as.
func (b Broker) OfKey(key string) (Identity, error) {
	opened, err := Open(b.Instance, b.Secret, key)
	switch {
	case errors.Is(err, ErrActingUser):
		return Anonymous, protocol.BadRequest("HeaderParseFailure", "Malformed Authorization header.")
	case err != nil:
		return Anonymous, badAdminKey()
	case opened.System:
		return System, nil
	case opened.ReadOnly:
		return ReadOnlyAdmin, nil
	}
	return Admin, nil
}

// OfBody opens the adminKey field of a deploy2 request, where no user to
// act as may follow.
func (b Broker) OfBody(key string) (Identity, error) {
	if _, blob, named := strings.Cut(key, "|"); named && strings.Contains(blob, ":") {
		return Anonymous, badAdminKey()
	}
	return b.OfKey(key)
}

// Member returns the member of a key that is good.
func (b Broker) Member(key string) (uint64, error) {
	opened, err := Open(b.Instance, b.Secret, key)
	if err != nil {
		return 0, badAdminKey()
	}
	return opened.Member, nil
}

// MustRead refuses all but administrators.
func (i Identity) MustRead() error {
	if i < ReadOnlyAdmin {
		return protocol.Forbidden("BadDeployKey", "The provided deploy key was invalid for this deployment. "+
			"Double check that the environment this key was generated for matches the desired deployment.")
	}
	return nil
}

// MustWrite refuses all but administrators, and those with a read-only key.
func (i Identity) MustWrite() error {
	if i == ReadOnlyAdmin {
		return protocol.Forbidden("ReadOnlyAdminKey", "You do not have permission to perform this operation.")
	}
	return i.MustRead()
}

// badAdminKey has one message for every reason: a client cannot tell a wrong
// secret from a wrong instance name.
func badAdminKey() *protocol.Failure {
	return protocol.Unauthenticated("BadAdminKey", "The provided admin key was invalid for this instance")
}
