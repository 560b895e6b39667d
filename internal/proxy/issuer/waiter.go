package issuer

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"

	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

const (
	eager   = 45 * time.Second
	careful = 15 * time.Minute
	// patient is for refusals that time does not cure soon: limits, policies,
	// accounts.
	patient = time.Hour
	// lookupInterval is how often the names are resolved between attempts.
	lookupInterval = 10 * time.Second
	// maxEarly bounds the attempts in an hour that a change in DNS calls for, so
	// that a name server which gives another answer each time does not use up the
	// authority's patience.
	maxEarly = 4
	// quietFor is longer than an authority that works takes.
	quietFor = 30 * time.Second
	// remindEvery is how often an unchanged failure is logged again.
	remindEvery = time.Hour
)

// pauses are the times between two attempts.
type pauses struct{ usual time.Duration }

func (p pauses) after(err error) time.Duration {
	var noRetry certmagic.ErrNoRetry
	if errors.As(err, &noRetry) {
		return max(p.usual, careful) // staging would, production would not
	}
	var problem acme.Problem
	if !errors.As(err, &problem) {
		return p.usual
	}
	switch problem.Type {
	case acme.ProblemTypeRateLimited, acme.ProblemTypeRejectedIdentifier, acme.ProblemTypeExternalAccountRequired,
		acme.ProblemTypeInvalidContact, acme.ProblemTypeUnsupportedContact, acme.ProblemTypeUserActionRequired:
		return max(p.usual, patient)
	}
	return p.usual
}

// waiter makes attempts until one succeeds.
type waiter struct {
	log     *slog.Logger
	from    string // the authority's directory
	names   []string
	inUse   func(name string) (until time.Time) // zero: the name has no certificate
	pause   pauses
	resolve func(ctx context.Context, host string) ([]string, error)
	issue   func(ctx context.Context) (*certmagic.IssuedCertificate, error)
	note    func(Progress) // called after every failure; nil for none
	quiet   time.Duration  // until an attempt that has not ended is told of; 0 for never

	early    []time.Time // attempts made ahead of time
	reported string      // the failure that was logged last
	at       time.Time   // when
}

func (w *waiter) run(ctx context.Context) (*certmagic.IssuedCertificate, error) {
	started := time.Now()
	for attempt := attemptsBefore(ctx); ; attempt++ {
		seen := w.lookup(ctx)
		certificate, err := w.attempt(context.WithValue(ctx, certmagic.AttemptsCtxKey, &attempt))
		if err == nil {
			w.logIssued(started, attempt)
			return certificate, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		pause := w.pause.after(err)
		w.report(err, pause)
		if err := w.wait(ctx, pause, seen); err != nil {
			return nil, err
		}
	}
}

// attempt asks for a certificate once, and says so when that takes long: before it returns,
// since what comes later would be said of a certificate that is there.
func (w *waiter) attempt(ctx context.Context) (*certmagic.IssuedCertificate, error) {
	if w.quiet > 0 {
		told := make(chan struct{})
		timer := time.AfterFunc(w.quiet, func() { w.reportSilence(); close(told) })
		defer func() {
			if !timer.Stop() {
				<-told
			}
		}()
	}
	return w.issue(ctx)
}

// logIssued logs a certificate that was waited for; of others certmagic tells.
func (w *waiter) logIssued(started time.Time, failed int) {
	if failed > 0 {
		w.log.Info("certificate issued after all", "waited", time.Since(started), "attempts", failed+1)
	}
}

// attemptsBefore returns the number of failed attempts that the caller knows of; the
// ACME client moves on to a staging directory after the first.
func attemptsBefore(ctx context.Context) int {
	if n, ok := ctx.Value(certmagic.AttemptsCtxKey).(*int); ok {
		return *n
	}
	return 0
}

// wait returns after the pause, or earlier when the names resolve to something
// other than what the failed attempt saw.
func (w *waiter) wait(ctx context.Context, pause time.Duration, seen string) error {
	over := time.NewTimer(pause)
	defer over.Stop()
	lookups := time.NewTicker(lookupInterval)
	defer lookups.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return nil
		case <-lookups.C:
			if now := w.lookup(ctx); now != seen && now != "" && w.mayGoEarly() {
				w.log.Info("certificate attempt brought forward: the name resolves to something new", "addresses", now)
				return nil
			}
		}
	}
}

func (w *waiter) mayGoEarly() bool {
	now := time.Now()
	w.early = slices.DeleteFunc(w.early, func(t time.Time) bool { return now.Sub(t) > time.Hour })
	if len(w.early) >= maxEarly {
		return false
	}
	w.early = append(w.early, now)
	return true
}

// lookup returns the addresses of the names as one text, "" when there are none.
func (w *waiter) lookup(ctx context.Context) string {
	var all []string
	for _, name := range w.names {
		// The final dot keeps search domains of the container network out.
		addresses, err := w.resolve(ctx, name+".")
		if err != nil {
			continue // not yet, or not here: the authority may see another DNS
		}
		slices.Sort(addresses)
		all = append(all, addresses...)
	}
	return strings.Join(all, " ")
}

// reportSilence tells of an attempt that is under way for long.
func (w *waiter) reportSilence() {
	reason := "the authority has not finished within " + w.quiet.String() + ": it hangs, or something between drops what is sent (check ACME_DIRECTORY and the firewall), or it validates slowly"
	if w.note != nil {
		w.note(Progress{Reason: reason})
	}
	w.log.Warn("certificate not issued yet: "+w.consequence(), "reason", reason, "authority", w.from)
}

// report logs a failure when it is news, and every hour.
func (w *waiter) report(err error, pause time.Duration) {
	reason := explain(err)
	if w.note != nil {
		w.note(Progress{Reason: reason, Next: time.Now().Add(pause)})
	}
	if reason == w.reported && time.Since(w.at) < remindEvery {
		w.log.Debug("certificate not issued yet", "reason", reason, "next_attempt", pause)
		return
	}
	w.reported, w.at = reason, time.Now()
	w.log.Warn("certificate not issued yet: "+w.consequence(), "reason", reason, "next_attempt", pause, "authority", w.from)
}

// consequence returns what visitors notice.
func (w *waiter) consequence() string {
	for _, name := range w.names {
		if w.inUse == nil {
			break
		}
		if until := w.inUse(name); !until.IsZero() {
			return "the one in use ends on " + until.UTC().Format(time.DateOnly)
		}
	}
	return "until it is, no visitor can connect"
}

// inUse returns when the name's present certificate ends, if it has one.
func inUse(name string) (until time.Time) {
	for _, certificate := range caddytls.AllMatchingCertificates(name) {
		if !certificate.Expired() && certificate.Leaf.NotAfter.After(until) {
			until = certificate.Leaf.NotAfter
		}
	}
	return until
}

// notACME returns the reason of a failure that is neither the authority's nor the network's.
func notACME(err error) string {
	_, reading, directory := strings.Cut(err.Error(), "provisioning client: ")
	if !directory {
		return err.Error()
	}
	return "what answers there is no ACME directory (" + reading + "); check ACME_DIRECTORY"
}

// explain gives the authority's own words without the URLs of one attempt, which
// differ every time.
func explain(err error) string {
	var problem acme.Problem
	if !errors.As(err, &problem) {
		if kind, why := netcause.Of(err); kind != netcause.Other {
			return "the authority cannot be reached: " + why + "; check ACME_DIRECTORY, and that this container may connect to it"
		}
		return notACME(err)
	}
	details := []string{problem.Detail}
	for _, sub := range problem.Subproblems {
		details = append(details, sub.Detail)
	}
	return strings.TrimPrefix(problem.Type, acme.ProblemTypeNamespace) + ": " + strings.Join(details, "; ")
}
