package convex

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// A server that goes away and comes back is noticed, and said once each time; one that misses some
// tries is not lost.
func TestWatchingTheDatabase(t *testing.T) {
	gone := errors.New("nothing listens on that port")
	tries := make(chan error)
	var log testkit.Buffer
	w := &databaseWatch{log: slog.New(slog.NewTextHandler(&log, nil)), every: time.Nanosecond, answers: func(ctx context.Context) error {
		select {
		case err := <-tries:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { w.run(ctx) })
	defer watching.Wait()
	defer stop()
	for i, try := range []struct{ answer, lost error }{{nil, nil}, {gone, nil}, {gone, nil}, {nil, nil}, {gone, nil}, {gone, nil}, {gone, gone}, {gone, gone}, {nil, nil}} {
		tries <- try.answer
		if try.lost == nil && i < 7 {
			continue // what is not lost stays so
		}
		testkit.Eventually(t, "it is known", func() bool { return errors.Is(w.Lost(), try.lost) })
	}
	said := log.String()
	if strings.Count(said, "level=ERROR") != 1 || !strings.Contains(said, "new logins to Postgres fail, and without it the backend runs no function") || strings.Count(said, "Postgres answers again") != 1 {
		t.Error(said)
	}
	if (*databaseWatch)(nil).Lost() != nil {
		t.Error("without a database there is one to lose")
	}
}

// refusing returns a server that refuses each login, and one.
func refusing(t *testing.T) (*postgrestest.Server, postgres.Login) {
	t.Helper()
	server := postgrestest.Start(t, func(f *postgrestest.Server) {
		f.Refuse = postgrestest.Refuse("28P01", "password authentication failed")
	})
	made, err := stack.Database{PostgresURL: config.Secret("postgresql://tale:canary@" + server.Addr())}.Server()
	if err != nil {
		t.Fatal(err)
	}
	return server, postgres.Login{Server: made, Database: "d"}
}

// A login that is refused is no lost server, is said once, and is not repeated soon.
func TestWatchingADatabaseThatRefuses(t *testing.T) {
	server, login := refusing(t)
	var log testkit.Buffer
	w := &databaseWatch{log: slog.New(slog.NewTextHandler(&log, nil)), every: time.Nanosecond, refused: time.Hour, answers: login.Answers}
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { w.run(ctx) })
	testkit.Eventually(t, "it is said", func() bool { return log.String() != "" })
	stop()
	watching.Wait()
	if said := log.String(); !strings.Contains(said, "level=WARN") || !strings.Contains(said, "its next start will fail") || !strings.Contains(said, "password authentication failed") || strings.Contains(said, "canary") {
		t.Error(said)
	}
	if server.Logins() != 1 || w.Lost() != nil {
		t.Errorf("%d logins, lost: %v", server.Logins(), w.Lost())
	}
}

// A refusal after a loss is one more failure: the backend has no connections then. One before it
// is over with the first login that works, which is said.
func TestRefusalsAndLosses(t *testing.T) {
	_, login := refusing(t)
	gone, refused := errors.New("nothing listens on that port"), login.Answers(t.Context())
	for name, tt := range map[string]struct {
		answers []error
		lost    bool
		says    string
	}{
		"lost, then refused":    {[]error{gone, gone, gone, refused}, true, ""},
		"refused on the way":    {[]error{gone, refused, refused}, true, ""},
		"refused, then lost":    {[]error{refused, gone, gone, gone}, true, ""},
		"refused all the time":  {[]error{refused, refused, refused, refused}, false, ""},
		"refused for a while":   {[]error{refused, refused, nil}, false, "Postgres takes the login again"},
		"refused, away, better": {[]error{refused, gone, nil}, false, "Postgres takes the login again"},
	} {
		t.Run(name, func(t *testing.T) {
			var log testkit.Buffer
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			w := &databaseWatch{log: slog.New(slog.NewTextHandler(&log, nil)), every: time.Nanosecond, refused: time.Nanosecond}
			n := 0
			w.answers = func(context.Context) error {
				if n == len(tt.answers) {
					stop()
					return nil
				}
				n++
				return tt.answers[n-1]
			}
			w.run(ctx)
			if (w.Lost() != nil) != tt.lost || strings.Count(log.String(), "level=WARN") > 1 || !strings.Contains(log.String(), tt.says) {
				t.Errorf("lost: %v\n%s", w.Lost(), log.String())
			}
		})
	}
}

// readyz reports whether a service that runs is ready, as the proxy and Docker ask it.
func readyz(ctx context.Context, address string) bool {
	_, err := health.NewProber().Get(ctx, "http://"+address+"/readyz")
	return err == nil
}

// A service whose server lets nobody in is not ready, and is again when it does.
func TestReadinessFollowsTheDatabase(t *testing.T) {
	var away atomic.Bool
	server := postgrestest.Start(t, func(f *postgrestest.Server) {
		f.Users = make(chan string, 100_000)
		f.Refuse = func(n int) *pgproto3.ErrorResponse {
			if !away.Load() {
				return nil
			}
			return postgrestest.Refuse("57P03", "the database system is in recovery mode")(n)
		}
	})
	address := testkit.FreeAddress(t)
	e := newService(t, "CONVEX_STORAGE", "", "POSTGRES_URL", "postgresql://tale:x@"+server.Addr(), "STATUS_ADDR", address).environ
	testkit.WriteTree(t, e["TALE_CONFIG_DIR"], map[string]string{"convex/tmp/x": ""})
	var log testkit.Buffer
	b := newBoot(load(t, e), entrypoint.Invocation{Log: slog.New(slog.NewTextHandler(&log, nil)), Environ: e})
	b.every = 10 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	defer b.trust.Start(ctx)()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, b.everything()) }()
	defer func() {
		stop()
		if err := <-ended; err != nil || t.Failed() {
			t.Errorf("%v\n%s", err, log.String())
		}
	}()
	testkit.Eventually(t, "it is ready", func() bool { return readyz(ctx, address) })
	away.Store(true)
	testkit.Eventually(t, "it is not ready", func() bool { return !readyz(ctx, address) })
	testkit.Eventually(t, "it is said", func() bool {
		return strings.Contains(log.String(), `"no longer ready" process=backend reason="it is not ready: the database`)
	})
	away.Store(false)
	testkit.Eventually(t, "it is ready again", func() bool { return readyz(ctx, address) })
}

// What keeps a backend that runs from being ready is named by what it lacks.
func TestWhyABackendIsNotReady(t *testing.T) {
	b := &Boot{database: &databaseWatch{}}
	w := &backendWatch{boot: b}
	if got := w.whyNotReady(); got != "the backend does not answer" {
		t.Error(got)
	}
	w.lost = errors.New("the folder was deleted")
	if got := w.whyNotReady(); got != "the folder was deleted" {
		t.Error(got)
	}
	b.database.lost = errors.New("it accepts connections but does not answer")
	if got := w.whyNotReady(); got != "Postgres does not answer the backend: it accepts connections but does not answer" {
		t.Error(got)
	}
}
