package keybroker

import (
	"encoding/hex"
	"testing"
)

func TestMessageEncoding(t *testing.T) {
	// The plaintext of the vector: member 0 is written explicitly.
	if got := hex.EncodeToString(message{issued: 1750000000}.encode()); got != "1080c3bbc2061800" {
		t.Errorf("encoded %s", got)
	}
}

func TestDecodeMessageRefusesMalformed(t *testing.T) {
	for name, digits := range map[string]string{
		"truncated tag":         "80",
		"truncated varint":      "1080",
		"truncated bytes":       "0a05ab",
		"time as bytes":         "1200",
		"system as number":      "2000",
		"name not UTF-8":        "0a01ff",
		"field number 0":        "0000",
		"group without an end":  "33",
		"varint of 11 bytes":    "10ffffffffffffffffffff01",
		"truncated unknown one": "3a05",
	} {
		t.Run(name, func(t *testing.T) {
			in, err := hex.DecodeString(digits)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := decodeMessage(in); err == nil {
				t.Errorf("decoded %+v", m)
			}
		})
	}
}

func TestDecodeMessageSkipsUnknownFields(t *testing.T) {
	in, err := hex.DecodeString("3205616263646510010a0161" + "3a00" + "1805" + "2801" + "4001")
	if err != nil {
		t.Fatal(err)
	}
	m, err := decodeMessage(in)
	if err != nil || m.issued != 1 || m.member != 5 || !m.readOnly || m.instanceName != "a" || !m.identified {
		t.Errorf("decoded %+v, %v", m, err)
	}
}

// FuzzOpen: no input may panic, and nothing but a real key may open.
func FuzzOpen(f *testing.F) {
	for _, seed := range []string{vectorKey, devAdminKey, devSystemKey, "", "|", ":", "a|b:c", "01"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if opened, err := Open("somewhere-else", devSecret, key); err == nil {
			t.Errorf("opened %q as %+v", key, opened)
		}
	})
}
