package database

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"slices"
)

// Reached says how a server lets a user in.
type Reached struct {
	Database string // that it admits the user to, of those that are no stack's own
	Secured  bool   // by TLS
	// Authority is the certificate by which that of the server was verified, in PEM.
	Authority []byte
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
		chain := secured.ConnectionState().VerifiedChains[0]
		r.Authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[len(chain)-1].Raw})
	}
	return r, nil
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
