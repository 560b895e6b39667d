package keybroker

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/secretbox"

	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// The instance and the secret that get-convex/convex-backend publishes for
// development (crates/keybroker/dev), with the two keys that lie beside them.
// The admin key has no "name|" before it; both are in the legacy scheme.
const (
	devInstance  = "carnitas"
	devSecret    = "4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974"
	devAdminKey  = "0135d8598650f8f5cb0f30c34ec2e2bb62793bc28717c8eb6fb577996d50be5f4281b59181095065c5d0f86a2c31ddbe9b597ec62b47ded69782cd"
	devSystemKey = "carnitas|01ec1dc4339bc4a2c653e70016b1e1dea952bcfd707a0cd49c1bddcdfcd4d4a79bb2d6bdfa2f1493a1937cdb71e984c4a7"
	// vectorKey was made with another implementation (Python's cryptography).
	vectorKey = "carnitas|01000102030405060708090a0b00dc681e16abe0e4968eab3cf28694a51e9e19432e88fe47"
)

func TestOpenVector(t *testing.T) {
	key, err := Open(devInstance, devSecret, vectorKey)
	if err != nil {
		t.Fatal(err)
	}
	if key.Instance != devInstance || key.Member != 0 || key.System || key.ReadOnly || key.Legacy {
		t.Errorf("opened %+v", key)
	}
	if got := key.Issued.Unix(); got != 1750000000 {
		t.Errorf("issued at %d", got)
	}
}

func TestOpenDevelopmentKeys(t *testing.T) {
	admin, err := Open(devInstance, devSecret, devAdminKey)
	if err != nil {
		t.Fatalf("admin key: %v", err)
	}
	if admin.System || admin.ReadOnly || !admin.Legacy || admin.Instance != devInstance {
		t.Errorf("admin key opened as %+v", admin)
	}
	system, err := Open(devInstance, devSecret, devSystemKey)
	if err != nil {
		t.Fatalf("system key: %v", err)
	}
	if !system.System || !system.Legacy {
		t.Errorf("system key opened as %+v", system)
	}
}

func TestMintOpensAgain(t *testing.T) {
	issued := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for size, want := range map[int]Key{ // of the hexadecimal part
		78: {ReadOnly: true}, 76: {Member: 300}, 74: {System: true},
	} {
		want.Instance, want.Issued = "tale_platform", issued
		key, err := Mint(devSecret, want)
		if err != nil {
			t.Fatal(err)
		}
		if _, digits, _ := strings.Cut(key, "|"); len(digits) != size {
			t.Errorf("%+v: the hexadecimal part has %d digits, want %d", want, len(digits), size)
		}
		if got, err := Open("tale_platform", devSecret, key); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("opened %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestTheProductsKeysOpen(t *testing.T) {
	key, err := adminkey.MintFor("tale_platform", devSecret, 300)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open("tale_platform", devSecret, key)
	if err != nil || got.Legacy || got.Member != 300 || got.System || got.ReadOnly || time.Since(got.Issued) > time.Minute {
		t.Errorf("opened %+v, %v", got, err)
	}
}

func TestLegacyRoundTrip(t *testing.T) {
	m := message{issued: 1700000000, member: 7, readOnly: true}
	key := devInstance + "|" + sealLegacy(t, m)
	got, err := Open(devInstance, devSecret, key)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Legacy || got.Member != 7 || !got.ReadOnly {
		t.Errorf("opened %+v", got)
	}
}

func TestOpenAcceptsPrefixAndActingUser(t *testing.T) {
	const user = "eyJuYW1lIjoiQWRhIn0=" // {"name":"Ada"}
	for name, key := range map[string]string{
		"type prefix":         "prod:" + vectorKey,
		"upper-case digits":   devInstance + "|" + strings.ToUpper(strings.TrimPrefix(vectorKey, devInstance+"|")),
		"acting user":         vectorKey + ":" + user,
		"prefix and user":     "dev:" + vectorKey + ":" + user,
		"old key with a user": devAdminKey + ":" + user,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Open(devInstance, devSecret, key)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			if strings.HasSuffix(key, user) {
				want = `{"name":"Ada"}`
			}
			if string(got.ActingUser) != want {
				t.Errorf("acting user %q, want %q", got.ActingUser, want)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	otherSecret := strings.Repeat("ab", 32)
	foreign, err := adminkey.Mint("other", devSecret)
	if err != nil {
		t.Fatal(err)
	}
	noTime := devInstance + "|" + sealLegacy(t, message{})
	for name, tt := range map[string]struct {
		secret, key string
		want        error
	}{
		"another secret":       {otherSecret, vectorKey, errInvalid},
		"another instance":     {devSecret, foreign, errInvalid},
		"renamed":              {devSecret, "other" + strings.TrimPrefix(vectorKey, devInstance), errInvalid},
		"empty":                {devSecret, "", errInvalid},
		"no hexadecimal":       {devSecret, devInstance + "|zz", errInvalid},
		"odd digits":           {devSecret, vectorKey + "0", errInvalid},
		"another version":      {devSecret, strings.Replace(vectorKey, "|01", "|02", 1), errInvalid},
		"altered":              {devSecret, strings.Replace(vectorKey, "dc68", "dc69", 1), errInvalid},
		"too short":            {devSecret, devInstance + "|01", errInvalid},
		"no issue time":        {devSecret, noTime, errInvalid},
		"user is not base64":   {devSecret, vectorKey + ":{}", ErrActingUser},
		"user is not JSON":     {devSecret, vectorKey + ":QWRh", ErrActingUser},
		"user of no key":       {devSecret, devInstance + "|:QWRh", errInvalid},
		"old key, other name":  {devSecret, "other|" + devAdminKey, errInvalid},
		"nameless, no name in": {devSecret, strings.TrimPrefix(devSystemKey, devInstance+"|"), errInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(devInstance, tt.secret, tt.key)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func sealLegacy(t *testing.T, m message) string {
	t.Helper()
	secret, err := adminkey.ParseSecret(devSecret)
	if err != nil {
		t.Fatal(err)
	}
	nonce := [legacyNonceSize]byte([]byte("a nonce of 24 bytes here"))
	key := [len(secret)]byte(secret)
	blob := append([]byte{adminkey.BlobVersion}, nonce[:]...)
	return hex.EncodeToString(secretbox.Seal(blob, m.encode(), &nonce, &key))
}
