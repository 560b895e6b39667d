package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// A server that lets others in does answer, and one that lets nobody in does not.
func TestAnswers(t *testing.T) {
	if err := loginTo(postgrestest.Start(t, nil), stack.SSLPrefer, "").Answers(t.Context()); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct{ code, message, want string }{
		{"53300", "sorry, too many clients already", ""},
		{"42501", "permission denied for database", ""},
		{"3D000", "database does not exist", ""},
		{"08P01", "no more connections allowed (max_client_conn)", ""},
		{"08P01", "client connections exceeded (max_db_client_connections)", ""},
		{"08P01", "query_wait_timeout", ""},
		{"57P03", "the database system is starting up", "it is not ready"},
		{"57P01", "terminating connection due to administrator command", "it is going down"},
		{"57P02", "terminating connection because of crash of another server process", "it is going down"},
		{"08P01", "server login has been failing, try again later", "try again later"},
	} {
		server := postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse(tt.code, tt.message) })
		err := loginTo(server, stack.SSLPrefer, "").Answers(t.Context())
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v", tt.code, tt.message, err)
		}
	}
	refusing := postgrestest.Start(t, func(f *postgrestest.Server) {
		f.Refuse = postgrestest.Refuse("28P01", "password authentication failed")
	})
	if err := loginTo(refusing, stack.SSLPrefer, "").Answers(t.Context()); !errors.As(err, new(*RefusedError)) {
		t.Errorf("refused: %v", err)
	}
}

// What is no server, or one that is away, has its cause.
func TestNobodyAnswers(t *testing.T) {
	silent := testkit.Listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	closing := testkit.Listen(t, func(net.Conn) {})
	login := loginTo(postgrestest.Start(t, nil), stack.SSLPrefer, "")
	for address, want := range map[string]cause{silent: causeSilent, closing: causeNetwork, "127.0.0.1:1": causeRefused, "no-such-name.invalid:5432": causeDNS} {
		u := *login.Server.URL
		u.Host = address
		other := login
		other.Server.URL = &u
		ctx, cancel := t.Context(), func() {}
		if want == causeSilent {
			ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
		}
		if failed, ok := errors.AsType[*loginError](other.Answers(ctx)); !ok || failed.Cause != want {
			t.Errorf("%s: %v", address, failed)
		}
		cancel()
	}
}
