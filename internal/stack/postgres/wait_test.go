package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
)

func TestWaitReadyOutlastsItsStart(t *testing.T) {
	server := postgrestest.Start(t, func(f *postgrestest.Server) {
		f.Refuse = func(n int) *pgproto3.ErrorResponse {
			if n > 3 {
				return nil
			}
			return postgrestest.Refuse("57P03", "the database system is starting up")(n)
		}
	})
	login, attempts, failures := loginTo(server, stack.SSLPrefer, ""), 0, 0
	wait := login.Wait(time.Minute)
	wait.OnAttempt = func(n int) { attempts = n }
	wait.OnFailure = func(err error) {
		if failures++; !strings.Contains(err.Error(), "starting up") {
			t.Errorf("failure %d is %v", failures, err)
		}
	}
	facts, err := login.WaitReady(t.Context(), logging.Discard(), wait)
	if err != nil || facts.Version != "16.4" || attempts != 4 || failures != 3 {
		t.Errorf("%+v, %v after %d attempts and %d failures", facts, err, attempts, failures)
	}
}

func TestWaitReadyEndsAtOnce(t *testing.T) {
	server := postgrestest.Start(t, func(f *postgrestest.Server) {
		f.Refuse = postgrestest.Refuse("28P01", "password authentication failed")
	})
	login := loginTo(server, stack.SSLPrefer, "")
	_, err := login.WaitReady(t.Context(), logging.Discard(), login.Wait(time.Minute))
	if exit.Code(err) != exit.NoPermission || server.Logins() != 1 {
		t.Errorf("%v after %d logins", err, server.Logins())
	}
	reports(t, err, "cannot use Postgres at "+server.Addr()+`: the login as user "tale" is refused`, "compare POSTGRES_URL")
}

func TestWaitReadyGivesUpAtItsDeadline(t *testing.T) {
	server := postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse("57P03", "starting up") })
	login := loginTo(server, stack.SSLPrefer, "")
	_, err := login.WaitReady(t.Context(), logging.Discard(), login.Wait(2*time.Second))
	if exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), "CONVEX_WAIT_TIMEOUT") || !strings.Contains(err.Error(), "starting up") {
		t.Errorf("error %v", err)
	}
	failure := reports(t, err, "cannot reach Postgres at "+server.Addr()+": gave up after ", "look at Postgres' log", "raise CONVEX_WAIT_TIMEOUT (now 2s)")
	if !strings.Contains(failure.Cause, "starting up") || !failure.Retryable {
		t.Errorf("%+v", failure)
	}
}

// reports checks that what to do has lines of its own in a boot's report.
func reports(t *testing.T, err error, message string, fixes ...string) report.Failure {
	t.Helper()
	var explained report.Explained
	if !errors.As(err, &explained) {
		t.Fatalf("%v has no report", err)
	}
	failure := explained.Report()
	if !strings.HasPrefix(failure.Message, message) || len(failure.Fix) != len(fixes) || failure.ExitCode != exit.Code(err) {
		t.Fatalf("%+v, want %q and the fixes %q", failure, message, fixes)
	}
	for i, fix := range fixes {
		if !strings.HasPrefix(failure.Fix[i], fix) || strings.Contains(failure.Message, failure.Fix[i]) {
			t.Errorf("fix %d of %+v, want %q", i, failure, fix)
		}
	}
	return failure
}

func TestWaitReadyStops(t *testing.T) {
	server := postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse("57P03", "starting up") })
	ctx, cancel := context.WithCancelCause(t.Context())
	requested := errors.New("stop requested")
	login := loginTo(server, stack.SSLPrefer, "")
	wait := login.Wait(time.Minute)
	wait.OnAttempt = func(n int) {
		if n == 2 {
			cancel(requested)
		}
	}
	_, err := login.WaitReady(ctx, logging.Discard(), wait)
	if !errors.Is(err, requested) {
		t.Errorf("error %v", err)
	}
}

// Init scripts make the database after the server has begun to listen, so a
// missing one is waited for, but not until the deadline.
func TestPatience(t *testing.T) {
	start := time.Now()
	var p patience
	judge := func(c cause, after time.Duration) bool {
		err := p.judge(&loginError{Cause: c}, start.Add(after))
		if err == nil {
			t.Fatal("a failure was judged to be none")
		}
		return isPermanent(err)
	}
	for _, step := range []struct {
		cause cause
		after time.Duration
		ends  bool
	}{
		{causeRefused, 0, false}, {causeRefused, time.Hour, false},
		{causeNoDatabase, time.Hour, false}, {causeNoDatabase, time.Hour + 4*time.Second, false},
		{causeStarting, time.Hour + 5*time.Second, false},
		{causeNoDatabase, time.Hour + 6*time.Second, false}, {causeNoDatabase, time.Hour + 11*time.Second, true},
		{causeLogin, time.Hour + 12*time.Second, true},
	} {
		if got := judge(step.cause, step.after); got != step.ends {
			t.Errorf("%s after %s: ends %v", step.cause, step.after, got)
		}
	}
}

// isPermanent reports whether a wait ends with this error at once.
func isPermanent(err error) bool {
	calls := 0
	waited := health.Wait{What: "x", Timeout: 30 * time.Millisecond, Variable: "X"}.Until(context.Background(), logging.Discard(), func(context.Context) error {
		calls++
		return err
	})
	return waited != nil && calls == 1 && strings.HasPrefix(waited.Error(), "cannot use")
}
