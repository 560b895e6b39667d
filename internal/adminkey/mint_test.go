package adminkey

import (
	"fmt"
	"strings"
	"testing"
)

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
