package postgres

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// Only a server that answers nobody does not answer.
func TestAnswers(t *testing.T) {
	for name, change := range map[string]func(*postgrestest.Server){
		"lets in": nil,
		"is full": func(f *postgrestest.Server) {
			f.Refuse = postgrestest.Refuse("53300", "sorry, too many clients already")
		},
		"refuses": func(f *postgrestest.Server) {
			f.Refuse = postgrestest.Refuse("28P01", "password authentication failed")
		},
	} {
		if err := loginTo(postgrestest.Start(t, change), stack.SSLPrefer, "").Answers(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	silent := testkit.Listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	login := loginTo(postgrestest.Start(t, nil), stack.SSLPrefer, "")
	for address, want := range map[string]string{silent: "it accepts connections but does not answer", "127.0.0.1:1": "nothing listens", "no-such-name.invalid:5432": "does not resolve"} {
		u := *login.Server.URL
		u.Host = address
		other := login
		other.Server.URL = &u
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := other.Answers(ctx); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
		cancel()
	}
}
