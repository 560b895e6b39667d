package pglogin

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// ErrTooMuch says that a server has sent more than Login.Limit.
var ErrTooMuch = errors.New("the server sends without end")

// limit bounds what is read from a server, and so the memory that it takes.
func limit(settings *pgconn.Config, bytes int) {
	dial := settings.DialFunc
	settings.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &limitedConn{Conn: conn, left: bytes}, nil
	}
	settings.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		frontend := pgproto3.NewFrontend(r, w)
		frontend.SetMaxBodyLen(bytes) // room for a message is made before it is read
		return frontend
	}
}

// limitedConn is a connection that has been read enough after so many bytes.
type limitedConn struct {
	net.Conn
	left int
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, ErrTooMuch
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
