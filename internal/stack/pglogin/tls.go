package pglogin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// Ends of a login before Postgres has said anything.
var (
	ErrNoTLS       = errors.New("the server does not offer TLS")
	ErrNotPostgres = errors.New("what answers is not a Postgres server")
)

// negotiateTLS asks for TLS as the backend's driver does: a server that offers
// it must have a certificate that verifies, even where TLS is only preferred.
func (l Login) negotiateTLS(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if l.Server.Mode == stack.SSLDisable {
		return conn, nil
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	request, err := (&pgproto3.SSLRequest{}).Encode(nil)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	answer := make([]byte, 1)
	if _, err := conn.Read(answer); err != nil {
		return nil, err
	}
	switch {
	case answer[0] == 'S':
		return l.secure(ctx, conn)
	case answer[0] == 'N' && l.Server.Mode == stack.SSLPrefer:
		return conn, nil
	case answer[0] == 'N':
		return nil, ErrNoTLS
	default:
		return nil, ErrNotPostgres
	}
}

func (l Login) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if l.CAFile != "" {
		pem, err := os.ReadFile(l.CAFile)
		if err != nil || !roots.AppendCertsFromPEM(pem) {
			return nil, &CAFileError{path: l.CAFile, err: err}
		}
	}
	secured := tls.Client(conn, &tls.Config{ServerName: l.Server.URL.Hostname(), RootCAs: roots, MinVersion: tls.VersionTLS12})
	err = secured.HandshakeContext(ctx)
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		return nil, ErrNotPostgres
	}
	if err != nil {
		return nil, err
	}
	return secured, nil
}

// CAFileError is a file of an authority that cannot be used.
type CAFileError struct {
	path string
	err  error
}

func (e *CAFileError) Error() string {
	if e.err == nil {
		return "PG_CA_FILE " + e.path + " holds no PEM certificate"
	}
	return "PG_CA_FILE cannot be read: " + e.err.Error()
}

func (e *CAFileError) Unwrap() error { return e.err }
