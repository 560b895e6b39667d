package database

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"
)

// signed returns a certificate of an issuer, and its key; without an issuer its own.
func signed(t *testing.T, name string, issuer *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	if issuer == nil {
		issuer, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func encoded(certificates ...*x509.Certificate) (text []byte) {
	for _, one := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one.Raw})...)
	}
	return text
}

// TestWhatAServerIsVerifiedBy goes up to the root, wherever that is known from.
func TestWhatAServerIsVerifiedBy(t *testing.T) {
	root, rootKey := signed(t, "root", nil, nil)
	between, betweenKey := signed(t, "between", root, rootKey)
	server, _ := signed(t, "server", between, betweenKey)
	type certificates []*x509.Certificate
	for name, tt := range map[string]struct{ server, system, file, sent, want certificates }{
		"the system has the root":         {certificates{server}, certificates{root}, nil, certificates{between}, certificates{between, root}},
		"the file has the root":           {certificates{server}, nil, certificates{root}, certificates{between}, certificates{between, root}},
		"the file has both":               {certificates{server}, nil, certificates{between, root}, nil, certificates{between, root}},
		"the file has one, the system it": {certificates{server}, certificates{root}, certificates{between}, certificates{between}, certificates{between, root}},
		"the file has one":                {certificates{server}, nil, certificates{between}, certificates{between}, certificates{between}},
		"its own":                         {certificates{root}, nil, certificates{root}, nil, certificates{root}},
	} {
		roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
		for _, one := range slices.Concat(tt.system, tt.file) {
			roots.AddCert(one)
		}
		for _, one := range tt.sent {
			intermediates.AddCert(one)
		}
		chains, err := tt.server[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		file := append([]byte("a text\n"), encoded(tt.file...)...)
		if got := authorities(chains, file); !bytes.Equal(got, encoded(tt.want...)) {
			t.Errorf("%s: %d chains, %s", name, len(chains), got)
		}
	}
}
