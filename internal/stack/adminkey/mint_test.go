package adminkey

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The development secret of get-convex/convex-backend (crates/keybroker/dev).
const devSecret = "4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974"

// TestTheMessageOfAKey has the plaintext of a key that was made with another
// implementation (Python's cryptography).
func TestTheMessageOfAKey(t *testing.T) {
	if got := hex.EncodeToString(message(time.Unix(1750000000, 0), 0)); got != "1080c3bbc2061800" {
		t.Errorf("encoded %s", got)
	}
}

func TestMintedKeysDiffer(t *testing.T) {
	first, err1 := Mint("carnitas", devSecret)
	second, err2 := Mint("carnitas", devSecret)
	if err1 != nil || err2 != nil || first == second {
		t.Errorf("two keys are equal (%v, %v): the nonce repeats", err1, err2)
	}
}

func TestMintRefusesNames(t *testing.T) {
	for _, name := range []string{"", "a:b", "a|b", "prod:tale", "two words", "tab\t", "naïve", "a.b", "a/b"} {
		if key, err := Mint(name, devSecret); err == nil {
			t.Errorf("Mint(%q) = %q, want an error", name, key)
		}
	}
}

func TestParseSecret(t *testing.T) {
	for name, digits := range map[string]string{
		"empty":      "",
		"short":      devSecret[:63],
		"long":       devSecret + "0",
		"not hex":    devSecret[:63] + "q",
		"whitespace": " " + devSecret[:63],
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSecret(digits)
			if err == nil {
				t.Fatal("accepted")
			}
			if digits != "" && strings.Contains(err.Error(), digits[10:]) {
				t.Errorf("the error quotes the secret: %v", err)
			}
		})
	}
	lower, err1 := ParseSecret(devSecret)
	upper, err2 := ParseSecret(strings.ToUpper(devSecret))
	if err1 != nil || err2 != nil || lower != upper {
		t.Errorf("case matters: %v, %v", err1, err2)
	}
}

func TestSecretPrintsAsFingerprint(t *testing.T) {
	secret, err := ParseSecret(devSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%s", "%#v"} {
		if printed := fmt.Sprintf(verb, secret); printed != "secret "+secret.Fingerprint() {
			t.Errorf("%s prints %q", verb, printed)
		}
	}
	if len(secret.Fingerprint()) != 8 || strings.Contains(devSecret, secret.Fingerprint()) {
		t.Errorf("fingerprint %q", secret.Fingerprint())
	}
}
