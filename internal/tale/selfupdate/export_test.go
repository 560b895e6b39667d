package selfupdate

import (
	"crypto/x509"
	"time"
)

// Impatient returns options for a server that is near.
func (o Options) Impatient(stall time.Duration) Options {
	o.stall, o.pause = stall, time.Millisecond
	return o
}

// TokenFor returns options that show the token to a server.
func (o Options) TokenFor(origin string) Options {
	o.tokenFor = origin
	return o
}

// ParseKeys reads a file of keys.
var ParseKeys = parseKeys

// Trust returns options that trust a server's certificate.
func (o Options) Trust(certificate *x509.Certificate) Options {
	o.roots = x509.NewCertPool()
	o.roots.AddCert(certificate)
	return o
}
