// Package postgrestest is a Postgres server for tests of what logs in to one.
package postgrestest

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Server speaks as much of Postgres' wire protocol as a login and its queries need.
type Server struct {
	listener net.Listener
	TLS      *tls.Config // nil: TLS is not offered
	Facts    []string    // the answer to the first query
	Users    chan string // USER@DATABASE of each login, and its other parameters
	// Refuse returns the error for the n-th login, from 1; nil lets it in.
	Refuse func(n int) *pgproto3.ErrorResponse
	logins atomic.Int32
	open   sync.WaitGroup
}

// Facts returns the answer of a server that suits the backend.
func Facts() []string {
	return []string{"160004", "16.4", "off", "public", "t", "f", `"$user", public`, "f"}
}

// Start starts a server, which change may alter first; the test ends it.
func Start(t testing.TB, change func(*Server)) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Server{listener: listener, Facts: Facts(), Users: make(chan string, 100)}
	if change != nil {
		change(f)
	}
	f.open.Go(f.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		f.open.Wait()
	})
	return f
}

// Addr returns the server's HOST:PORT.
func (f *Server) Addr() string { return f.listener.Addr().String() }

// Logins returns how many logins there were.
func (f *Server) Logins() int { return int(f.logins.Load()) }

func (f *Server) accept() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.open.Go(func() {
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			f.talk(conn)
		})
	}
}

func (f *Server) talk(conn net.Conn) {
	backend := pgproto3.NewBackend(conn, conn)
	message, err := backend.ReceiveStartupMessage()
	if _, asks := message.(*pgproto3.SSLRequest); asks && err == nil {
		if f.TLS == nil {
			_, _ = conn.Write([]byte("N"))
		} else {
			_, _ = conn.Write([]byte("S"))
			secured := tls.Server(conn, f.TLS)
			if secured.HandshakeContext(context.Background()) != nil {
				return
			}
			backend = pgproto3.NewBackend(secured, secured)
		}
		message, err = backend.ReceiveStartupMessage()
	}
	startup, ok := message.(*pgproto3.StartupMessage)
	if err != nil || !ok {
		return
	}
	user := []string{startup.Parameters["user"] + "@" + startup.Parameters["database"]}
	for name, value := range startup.Parameters {
		if name != "user" && name != "database" {
			user = append(user, name+"="+value)
		}
	}
	slices.Sort(user[1:])
	f.Users <- strings.Join(user, " ")
	if refusal := f.refusal(); refusal != nil {
		backend.Send(refusal)
		_ = backend.Flush()
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if backend.Flush() == nil {
		f.answer(backend)
	}
}

func (f *Server) refusal() *pgproto3.ErrorResponse {
	n := int(f.logins.Add(1))
	if f.Refuse == nil {
		return nil
	}
	return f.Refuse(n)
}

func (f *Server) answer(backend *pgproto3.Backend) {
	if message, err := backend.Receive(); err != nil || !isQuery(message) {
		return
	}
	description, row := &pgproto3.RowDescription{}, &pgproto3.DataRow{}
	for _, value := range f.Facts {
		description.Fields = append(description.Fields, pgproto3.FieldDescription{Name: []byte("x"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1})
		row.Values = append(row.Values, []byte(value))
	}
	backend.Send(description)
	backend.Send(row)
	backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	// Whatever else is asked has no rows.
	for backend.Flush() == nil {
		if message, err := backend.Receive(); err != nil || !isQuery(message) {
			return
		}
		backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 0")})
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}

func isQuery(message pgproto3.FrontendMessage) bool {
	_, query := message.(*pgproto3.Query)
	return query
}

// Refuse returns a Server.Refuse that refuses every login.
func Refuse(code, message string) func(int) *pgproto3.ErrorResponse {
	return func(int) *pgproto3.ErrorResponse {
		return &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: message}
	}
}
