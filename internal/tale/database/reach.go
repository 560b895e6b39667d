package database

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"slices"
)

// Reached says how a server lets a user in.
type Reached struct {
	Database string // that it admits the user to, of those that are no stack's own
	Secured  bool   // by TLS
	// Authorities are the certificates, in PEM, that its own is verified by.
	Authorities []byte
}

// Reach logs in as the backend does. It tells what programs have to be told that know
// neither the backend's rules of TLS nor its authorities.
func (t Target) Reach(ctx context.Context) (Reached, error) {
	c, err := t.admitted(ctx, append(Maintenance(t.User()), "template1"))
	if err != nil {
		return Reached{}, err
	}
	defer c.close(ctx)
	r := Reached{Database: c.database, Secured: c.tls}
	if secured, is := c.Conn().(*tls.Conn); is {
		file, _ := os.ReadFile(t.CAFile) // which the login has read
		r.Authorities = authorities(secured.ConnectionState().VerifiedChains, file)
	}
	return r, nil
}

// authorities returns the certificates above the server's, up to a root if a chain has one,
// and those of a PEM file. For the backend a chain may end at any of these; libpq wants the
// root as well, which may be elsewhere in the file.
func authorities(chains [][]*x509.Certificate, file []byte) (text []byte) {
	chain := chains[max(0, slices.IndexFunc(chains, endsInRoot))]
	var lent [][]byte
	for _, certificate := range chain[min(1, len(chain)-1):] {
		lent = append(lent, certificate.Raw)
	}
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		known := slices.ContainsFunc(lent, func(one []byte) bool { return bytes.Equal(one, block.Bytes) })
		if block.Type == certificateBlock && !known {
			lent = append(lent, block.Bytes)
		}
	}
	for _, one := range lent {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: one})...)
	}
	return text
}

const certificateBlock = "CERTIFICATE"

func endsInRoot(chain []*x509.Certificate) bool {
	last := chain[len(chain)-1]
	return bytes.Equal(last.RawIssuer, last.RawSubject)
}

// admitted logs in to the first of some databases that admits the user: a login that is
// refused may be so for one of them only.
func (t Target) admitted(ctx context.Context, databases []string) (*connection, error) {
	var first error
	for _, database := range databases {
		c, err := t.connect(ctx, database)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if !slices.Contains([]string{noDatabase, noPrivilege, notAdmitted, closedDatabase}, state(err)) {
			return nil, err
		}
	}
	return nil, first
}
