package pglogin

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// ErrTooMuch says that a server has sent more than Login.Limit.
var ErrTooMuch = errors.New("the server sends without end")

// mostMessage is how many bytes one message of a server may have.
const mostMessage = 16 << 20

// limitMessages bounds the memory that a message takes, which is made before it is read.
func limitMessages(settings *pgconn.Config, bytes int) {
	settings.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		frontend := pgproto3.NewFrontend(r, w)
		frontend.SetMaxBodyLen(bytes)
		return frontend
	}
}

// limitAll bounds what is read from a server.
func limitAll(settings *pgconn.Config, bytes int) {
	dial := settings.DialFunc
	settings.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &limitedConn{Conn: conn, left: bytes}, nil
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

// greetedConn is a connection without TLS whose server has not said anything yet. Its first
// message is about the login; whatever sends another one is no Postgres.
type greetedConn struct {
	net.Conn
	greeted bool
}

func (c *greetedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.greeted {
		if !strings.ContainsRune("RENv", rune(p[0])) { // authentication, error, notice, another version of the protocol
			return 0, ErrNotPostgres
		}
		c.greeted = true
	}
	return n, err
}
