package issuer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"

	"github.com/tale-project/tale-runtime/internal/logging"
)

// authority is an ACME authority and a name server that both learn about a name
// at a given time.
type authority struct {
	pointsHere time.Time // when the authority begins to reach us
	resolves   time.Time // when our own name server begins to answer
	refusal    error
	attempts   []time.Time
	counters   []int
}

func (a *authority) issue(ctx context.Context) (*certmagic.IssuedCertificate, error) {
	a.attempts = append(a.attempts, time.Now())
	if n, ok := ctx.Value(certmagic.AttemptsCtxKey).(*int); ok {
		a.counters = append(a.counters, *n)
	}
	if time.Now().Before(a.pointsHere) {
		return nil, a.refusal
	}
	return &certmagic.IssuedCertificate{}, nil
}

func (a *authority) resolve(context.Context, string) ([]string, error) {
	if time.Now().Before(a.resolves) {
		return nil, errors.New("no such host")
	}
	return []string{"192.0.2.1"}, nil
}

func (a *authority) waiter(pause time.Duration) *waiter {
	return &waiter{log: logging.Discard(), names: []string{"site.test"}, pause: pauses{usual: pause}, resolve: a.resolve, issue: a.issue}
}

var (
	unresolved = acme.Problem{Type: acme.ProblemTypeDNS, Detail: "NXDOMAIN looking up A for site.test"}
	limited    = acme.Problem{Type: acme.ProblemTypeRateLimited, Detail: "too many failed authorizations"}
)

func TestCertificateWithinAMinuteOfTheNameResolvingDaysLater(t *testing.T) {
	for name, pause := range map[string]time.Duration{
		"the authority's limits allow an attempt every 45 s": eager,
		"they do not, but our name server sees the change":   careful,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				day3 := time.Now().Add(3*24*time.Hour + 7*time.Minute)
				a := &authority{pointsHere: day3, refusal: unresolved, resolves: day3}
				if pause == eager {
					a.resolves = day3.Add(time.Hour) // a cached "no such host"
				}
				if _, err := a.waiter(pause).run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if late := time.Since(day3); late > time.Minute {
					t.Errorf("certificate %v after the name resolved", late)
				}
			})
		})
	}
}

func TestUnknownAuthoritiesAreNotPestered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		flapping := &authority{pointsHere: now.Add(24 * time.Hour), refusal: unresolved}
		w := flapping.waiter(careful)
		w.resolve = func(context.Context, string) ([]string, error) {
			return []string{fmt.Sprint(time.Now().Unix())}, nil // another answer each time
		}
		if _, err := w.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		perHour := float64(len(flapping.attempts)) / 24
		if perHour > 4+4 {
			t.Errorf("%.1f attempts an hour, want at most four by the clock and four early ones", perHour)
		}
	})
}

func TestRefusalsThatTimeDoesNotCureSoonAreWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{pointsHere: time.Now().Add(24 * time.Hour), refusal: fmt.Errorf("obtaining: %w", limited)}
		if _, err := a.waiter(eager).run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(a.attempts) > 26 {
			t.Errorf("%d attempts in a day against a rate limit", len(a.attempts))
		}
	})
}

func TestAttemptsAfterTheFirstAreMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{pointsHere: time.Now().Add(90 * time.Second), refusal: unresolved}
		if _, err := a.waiter(eager).run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(a.counters) != "[0 1 2]" {
			t.Errorf("attempt numbers %v; certmagic goes to staging for those above 0", a.counters)
		}
	})
}

func TestStopEndsTheWaitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a := &authority{pointsHere: time.Now().Add(time.Hour), refusal: unresolved}
		time.AfterFunc(30*time.Second, cancel)
		started := time.Now()
		if _, err := a.waiter(eager).run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(started); took > 30*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestExplainNamesTheAuthoritysReason(t *testing.T) {
	problem := limited
	problem.Subproblems = []acme.Subproblem{{Problem: unresolved}}
	got := explain(fmt.Errorf("[site.test] %w (ca=https://x/dir)", problem))
	if got != "rateLimited: too many failed authorizations; NXDOMAIN looking up A for site.test" {
		t.Errorf("got %q", got)
	}
	if got := explain(errors.New("dial tcp: refused")); !strings.Contains(got, "refused") {
		t.Errorf("got %q", got)
	}
}

// An authority that hangs is told of while it does, in the log and to the health check.
func TestAnAttemptThatHangsIsToldOf(t *testing.T) {
	noted := make(chan Progress, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := &waiter{
		log: logging.Discard(), names: []string{"site.test"}, quiet: time.Millisecond, note: func(p Progress) { noted <- p },
		resolve: func(context.Context, string) ([]string, error) { return nil, nil },
		issue:   func(ctx context.Context) (*certmagic.IssuedCertificate, error) { <-ctx.Done(); return nil, ctx.Err() },
	}
	ended := make(chan error, 1)
	go func() { _, err := w.run(ctx); ended <- err }()
	if p := <-noted; !strings.Contains(p.Reason, "has not finished within 1ms") || !strings.Contains(p.Reason, "check ACME_DIRECTORY") {
		t.Errorf("%+v", p)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestASilenceIsToldOfBeforeTheAttemptEnds: a note of it that came after the certificate
// would stay.
func TestASilenceIsToldOfBeforeTheAttemptEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noting, on, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		a := &authority{}
		w := a.waiter(eager)
		w.quiet, w.note = time.Minute, func(Progress) { close(noting); <-on }
		w.issue = func(context.Context) (*certmagic.IssuedCertificate, error) { <-noting; return nil, nil }
		go func() { _, err := w.run(t.Context()); ended <- err }()
		<-noting
		synctest.Wait()
		if len(ended) > 0 {
			t.Error("it has ended, and the note is still to come")
		}
		close(on)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
