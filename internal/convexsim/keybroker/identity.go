package convexsim

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
)

// identity is who a request comes from, as far as the backend tells them apart.
type identity int

const (
	anonymous identity = iota
	system
	readOnlyAdmin
	admin
)

const authPrefix = "convex "

// requestIdentity reads the Authorization header, or without one the query
// parameter adminKey.
func (s *Server) requestIdentity(r *http.Request) (identity, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		if key := r.URL.Query().Get("adminKey"); key != "" {
			return s.keyIdentity(key)
		}
		return anonymous, nil
	}
	header := values[0]
	if len(header) < len(authPrefix) {
		return anonymous, badRequest("InvalidHeaderFailure", "Invalid authentication header")
	}
	if strings.EqualFold(header[:len(authPrefix)], authPrefix) {
		return s.keyIdentity(header[len(authPrefix):])
	}
	return anonymous, s.bearerFailure(header)
}

// bearerFailure is the answer to a token that is not an admin key. Its checking
// needs an OpenID provider, so no token is ever accepted here.
func (s *Server) bearerFailure(header string) error {
	token, ok := strings.CutPrefix(strings.ToLower(header), "bearer ")
	if !ok || token == "" {
		return badRequest("InvalidAdminKey", "Invalid admin key")
	}
	return unauthenticated("NoAuthProvider",
		"No auth provider found matching the given token (the simulator checks no tokens).")
}

// keyIdentity opens the key of an Authorization header, which may be followed by
// a user to act as.
func (s *Server) keyIdentity(key string) (identity, error) {
	opened, err := keybroker.Open(s.options.InstanceName, s.options.InstanceSecret, key)
	switch {
	case errors.Is(err, keybroker.ErrActingUser):
		return anonymous, badRequest("HeaderParseFailure", "Malformed Authorization header.")
	case err != nil:
		return anonymous, badAdminKey()
	case opened.System:
		return system, nil
	case opened.ReadOnly:
		return readOnlyAdmin, nil
	}
	return admin, nil
}

// bodyIdentity opens the adminKey field of a deploy2 request, where no user to
// act as may follow.
func (s *Server) bodyIdentity(key string) (identity, error) {
	if _, blob, named := strings.Cut(key, "|"); named && strings.Contains(blob, ":") {
		return anonymous, badAdminKey()
	}
	return s.keyIdentity(key)
}

// mustBeAdmin refuses everyone who is not an administrator; needWrite also those
// with a read-only key.
func (s *Server) mustBeAdmin(who identity, needWrite bool) error {
	if who < readOnlyAdmin {
		return forbidden("BadDeployKey", "The provided deploy key was invalid for this deployment. "+
			"Double check that the environment this key was generated for matches the desired deployment.")
	}
	if needWrite && who == readOnlyAdmin {
		return forbidden("ReadOnlyAdminKey", "You do not have permission to perform this operation.")
	}
	return nil
}

// badAdminKey has one message for every reason: a client cannot tell a wrong
// secret from a wrong instance name.
func badAdminKey() *failure {
	return unauthenticated("BadAdminKey", "The provided admin key was invalid for this instance")
}
