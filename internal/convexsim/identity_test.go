package convexsim_test

import (
	"cmp"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
)

const (
	listEnv  = "/api/list_environment_variables"
	checkKey = "/api/check_admin_key"
)

// mint returns a key of the default instance, unless the key names another.
func mint(t *testing.T, secret string, key keybroker.Key) string {
	t.Helper()
	key.Instance = cmp.Or(key.Instance, convexsim.DefaultInstanceName)
	minted, err := keybroker.Mint(secret, key)
	if err != nil {
		t.Fatal(err)
	}
	return minted
}

func TestHeaderAuthentication(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	good := s.AdminKey()
	otherSecret := mint(t, strings.Repeat("0f", 32), keybroker.Key{})
	otherName := mint(t, convexsim.DefaultInstanceSecret, keybroker.Key{Instance: "other"})
	readOnly := mint(t, convexsim.DefaultInstanceSecret, keybroker.Key{ReadOnly: true})
	systemKey := mint(t, convexsim.DefaultInstanceSecret, keybroker.Key{System: true})
	cases := []struct {
		name   string
		path   string
		edit   edit
		status int
		code   string
	}{
		{"good key", checkKey, withKey(good), 200, ""},
		{"typed key", checkKey, withKey("prod:" + good), 200, ""},
		{"any case", checkKey, header("Authorization", "cONVEX "+good), 200, ""},
		{"acting as a user", checkKey, withKey(good + ":e30="), 200, ""},
		{"malformed user", checkKey, withKey(good + ":%%"), 400, "HeaderParseFailure"},
		{"other secret", checkKey, withKey(otherSecret), 401, "BadAdminKey"},
		{"other name", checkKey, withKey(otherName), 401, "BadAdminKey"},
		{"no key at all", checkKey, withKey("nonsense"), 401, "BadAdminKey"},
		{"no header", checkKey, noKey, 403, "BadDeployKey"},
		{"short header", checkKey, header("Authorization", "Convex"), 400, "InvalidHeaderFailure"},
		{"bearer token", checkKey, header("Authorization", "Bearer abc"), 401, "NoAuthProvider"},
		{"basic auth", checkKey, header("Authorization", "Basic abc="), 400, "InvalidAdminKey"},
		{"read-only writes", checkKey, withKey(readOnly), 403, "ReadOnlyAdminKey"},
		{"read-only lists", listEnv, withKey(readOnly), 200, ""},
		{"system key", checkKey, withKey(systemKey), 403, "BadDeployKey"},
	}
	for _, c := range cases {
		got := call(t, s, http.MethodGet, c.path, nil, c.edit)
		if got.status != c.status {
			t.Errorf("%s: got %+v, want %d", c.name, got, c.status)
		} else if c.code != "" && got.code(t) != c.code {
			t.Errorf("%s: got code %s, want %s", c.name, got.code(t), c.code)
		}
	}
}

func TestAKeyOfAnotherNameIsIndistinguishableFromAWrongOne(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	wrongName := call(t, s, http.MethodGet, checkKey, nil, withKey(mint(t, convexsim.DefaultInstanceSecret, keybroker.Key{Instance: "other"})))
	wrongKey := call(t, s, http.MethodGet, checkKey, nil, withKey("carnitas|00"))
	if wrongName.body != wrongKey.body {
		t.Errorf("%s differs from %s", wrongName.body, wrongKey.body)
	}
}

func TestTheKeyMayBeAQueryParameter(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	query := func(r *http.Request) {
		values := r.URL.Query()
		values.Set("adminKey", s.AdminKey())
		r.URL.RawQuery = values.Encode()
	}
	if got := call(t, s, http.MethodGet, checkKey, nil, noKey, query); got.status != http.StatusOK {
		t.Errorf("got %+v", got)
	}
	if got := call(t, s, http.MethodGet, checkKey, nil, withKey("nonsense"), query); got.status != http.StatusUnauthorized {
		t.Errorf("the header does not win: %+v", got)
	}
}
