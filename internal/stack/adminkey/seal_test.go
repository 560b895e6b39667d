package adminkey

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// TestCipherAgainstRFC8452 holds the AES-GCM-SIV library we depend on to vectors
// of RFC 8452, appendix C.1 (128-bit keys), with and without associated data.
func TestCipherAgainstRFC8452(t *testing.T) {
	const keyOne, nonceThree = "01000000000000000000000000000000", "030000000000000000000000"
	vectors := []struct{ key, nonce, aad, plaintext, result string }{
		{keyOne, nonceThree, "", "", "dc20e2d83f25705bb49e439eca56de25"},
		{keyOne, nonceThree, "", "0100000000000000", "b5d839330ac7b786578782fff6013b815b287c22493a364c"},
		{keyOne, nonceThree, "", "010000000000000000000000", "7323ea61d05932260047d942a4978db357391a0bc4fdec8b0d106639"},
		{keyOne, nonceThree, "01", "0200000000000000", "1e6daba35669f4273b0a1a2560969cdf790d99759abd1508"},
		{keyOne, nonceThree, "01", "0200000000000000000000000000000003000000000000000000000000000000",
			"620048ef3c1e73e57e02bb8562c416a319e73e4caac8e96a1ecb2933145a1d71e6af6a7f87287da059a71684ed3498e1"},
		{keyOne, nonceThree, "010000000000000000000000", "02000000", "a8fe3e8707eb1f84fb28f8cb73de8e99e2f48a14"},
		{"e66021d5eb8e4f4066d4adb9c33560e4", "f46e44bb3da0015c94f70887", "", "", "a4194b79071b01a87d65f706e3949578"},
		{"36864200e0eaf5284d884a0e77d31646", "bae8e37fc83441b16034566b", "46bb91c3c5", "7a806c", "af60eb711bd85bc1e4d3e0a462e074eea428a8"},
		{"d5cc1fd161320b6920ce07787f86743b", "275d1ab32f6d1f0434d8848c", "046787f3ea22c127aaf195d1894728", "1177441f195495860f",
			"4f37281f7ad12949d01d02fd0cd174c84fc5dae2f60f52fd2b"},
		{"f901cfe8a69615a93fdf7a98cad48179", "6245709fb18853f68d833640",
			"7576f7028ec6eb5ea7e298342a94d4b202b370ef9768ec6561c4fe6b7e7296fa859c21", "e42a3c02c25b64869e146d7b233987bddfc240871d",
			"391cc328d484a4f46406181bcd62efd9b3ee197d052d15506c84a9edd65e13e9d24a2a6e70"},
	}
	for _, v := range vectors {
		cipher, err := subtle.NewAESGCMSIV(unhex(t, v.key))
		if err != nil {
			t.Fatal(err)
		}
		got, err := cipher.Decrypt(append(unhex(t, v.nonce), unhex(t, v.result)...), unhex(t, v.aad))
		if err != nil || !bytes.Equal(got, unhex(t, v.plaintext)) {
			t.Errorf("key %s, result %s: plaintext %x, %v, want %s", v.key, v.result, got, err, v.plaintext)
		}
	}
}

// TestDerivedKey checks the KBKDF against the value that was computed
// independently for that key.
func TestDerivedKey(t *testing.T) {
	secret, err := ParseSecret(devSecret)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(secret.derive(keyPurpose, cipherKeySize)); got != "a7526e1715ea4effa55636bee910d731" {
		t.Errorf("derived key %s", got)
	}
}

func unhex(t *testing.T, digits string) []byte {
	t.Helper()
	out, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
