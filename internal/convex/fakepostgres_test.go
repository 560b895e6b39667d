package convex

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// fakePostgres speaks as much of Postgres' wire protocol as a login and one
// query need.
type fakePostgres struct {
	t        *testing.T
	listener net.Listener
	tls      *tls.Config // nil: TLS is not offered
	facts    []string    // the answer to the query
	users    chan string
	// refuse returns the error for the n-th login, from 1; nil lets it in.
	refuse func(n int) *pgproto3.ErrorResponse
	logins atomic.Int32
	open   sync.WaitGroup
}

var goodFacts = []string{"160004", "16.4", "off", "public", "t"}

func startPostgres(t *testing.T, change func(*fakePostgres)) *fakePostgres {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakePostgres{t: t, listener: listener, facts: goodFacts, users: make(chan string, 100)}
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

func (f *fakePostgres) accept() {
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

func (f *fakePostgres) talk(conn net.Conn) {
	backend := pgproto3.NewBackend(conn, conn)
	message, err := backend.ReceiveStartupMessage()
	if _, asks := message.(*pgproto3.SSLRequest); asks && err == nil {
		if f.tls == nil {
			_, _ = conn.Write([]byte("N"))
		} else {
			_, _ = conn.Write([]byte("S"))
			secured := tls.Server(conn, f.tls)
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
	f.users <- startup.Parameters["user"] + "@" + startup.Parameters["database"]
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

func (f *fakePostgres) refusal() *pgproto3.ErrorResponse {
	n := int(f.logins.Add(1))
	if f.refuse == nil {
		return nil
	}
	return f.refuse(n)
}

func (f *fakePostgres) answer(backend *pgproto3.Backend) {
	message, err := backend.Receive()
	if _, query := message.(*pgproto3.Query); !query || err != nil {
		return
	}
	description, row := &pgproto3.RowDescription{}, &pgproto3.DataRow{}
	for _, value := range f.facts {
		description.Fields = append(description.Fields, pgproto3.FieldDescription{Name: []byte("x"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1})
		row.Values = append(row.Values, []byte(value))
	}
	backend.Send(description)
	backend.Send(row)
	backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	_ = backend.Flush()
	_, _ = backend.Receive() // Terminate
}

// login is a login to the fake by the given mode.
func (f *fakePostgres) login(mode stack.SSLMode, caFile string) postgresLogin {
	u := &url.URL{Scheme: "postgresql", User: url.UserPassword("tale", "canary-password"), Host: f.listener.Addr().String()}
	return postgresLogin{server: stack.Postgres{URL: u, Mode: mode}, database: "tale_platform", caFile: caFile}
}

func pgRefusal(code, message string) func(int) *pgproto3.ErrorResponse {
	return func(int) *pgproto3.ErrorResponse {
		return &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: message}
	}
}
