package upstreams

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const (
	// attemptsVar is where a request keeps what it already tried in vain.
	attemptsVar = "tale.upstreams.attempts"

	// triedPlaceholder is where the reverse proxy says which address it used.
	triedPlaceholder = "http.reverse_proxy.upstream.hostport"

	// newsTimeout is how long a failed request waits to learn whether the only
	// address there is still works, before it is tried again.
	newsTimeout = 500 * time.Millisecond
)

// attempts are the addresses that failed one request, with the time of the
// last failure.
type attempts map[string]time.Time

// attemptsOf returns what failed this request so far; nil on its first try.
func attemptsOf(r *http.Request) attempts {
	tried, _ := caddyhttp.GetVar(r.Context(), attemptsVar).(attempts)
	return tried
}

// record notes that the address tried last has failed this request.
func record(r *http.Request, now time.Time) attempts {
	tried := attemptsOf(r)
	if tried == nil {
		tried = make(attempts, 2)
		caddyhttp.SetVar(r.Context(), attemptsVar, tried)
	}
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		if at, found := repl.GetString(triedPlaceholder); found && at != "" {
			tried[at] = now
		}
	}
	return tried
}

// failed reports whether s failed this request and has not passed a probe since.
func (a attempts) failed(s serving) bool {
	at, tried := a[s.dial]
	return tried && !s.passed.After(at)
}

// await returns when trying again makes sense or waiting does not: an address
// is there that did not fail this request, or that passed a probe since; nothing
// is there and hold is over, counted from the loss of the last address; nobody
// can say in newsTimeout whether the address that failed still works.
func (p *prober) await(ctx context.Context, tried attempts, now time.Time, hold time.Duration) {
	for {
		s := p.snapshot.Load()
		if slices.ContainsFunc(s.serving, func(one serving) bool { return !tried.failed(one) }) {
			return
		}
		deadline := now.Add(min(newsTimeout, hold))
		if len(s.serving) == 0 {
			deadline = s.state.Since.Add(hold)
		}
		if !waitUntil(ctx, s.changed, deadline) {
			return
		}
	}
}

// waitUntil reports whether news came before the deadline.
func waitUntil(ctx context.Context, news <-chan struct{}, deadline time.Time) bool {
	left := time.Until(deadline)
	if left <= 0 {
		return false
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-news:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}
