package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// mostOfALogin is how much a server may send during a login, in bytes: some
// parameters, one row, and certificates. The driver would keep all of it.
const mostOfALogin = 1 << 20

var errTooMuch = errors.New("the server sends without end")

// limit bounds what a login reads, and so the memory that it takes. The function that
// it returns reports whether a connection came about.
func limit(settings *pgconn.Config) (connected func() bool) {
	var dialled atomic.Bool
	settings.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		dialled.Store(true)
		return &limitedConn{Conn: conn, left: mostOfALogin}, nil
	}
	settings.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		frontend := pgproto3.NewFrontend(r, w)
		frontend.SetMaxBodyLen(mostOfALogin) // room for a message is made before it is read
		return frontend
	}
	return dialled.Load
}

// limitedConn is a connection that has been read enough after so many bytes.
type limitedConn struct {
	net.Conn
	left int
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
