package platform

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// unreachableError is a backend that did not answer within the deadline.
type unreachableError struct{ *health.GaveUpError }

// strangerError is that CONVEX_URL leads to what is no backend. It hides what it was made of
// from package netcause, which would say less.
type strangerError struct{ said, is string }

func (e *strangerError) Error() string { return e.said + "; " + e.is + ": " + ownPort }

// ownPort is what CONVEX_URL has to be.
const ownPort = "let CONVEX_URL name the backend's own port (http://convex:3210): http, no path, and neither the site nor another service"

// orStranger returns the error of a request to host, as a strangerError where a longer wait seldom
// mends it.
func orStranger(err error, host string) error {
	status, answered := errors.AsType[*health.StatusError](err)
	kind, _ := netcause.Of(err)
	_, own := netcause.Itself(err)
	switch self := place.Here().Self(); {
	case answered && status.Status < http.StatusInternalServerError || kind == netcause.Protocol || kind == netcause.TLS:
		return &strangerError{netcause.Reason(err), "something answers there that is no Convex backend"}
	// An address was written by somebody who knows what is here.
	case own && kind == netcause.Refused && self != "" && net.ParseIP(host) == nil:
		return &strangerError{netcause.Reason(err), host + " is " + self + " itself, by a hostname or an alias of it"}
	}
	return err
}

// orUnreachable adds the reason, and what to do, to a wait for the backend that gave up.
func orUnreachable(err error) error {
	var gaveUp *health.GaveUpError
	if !errors.As(err, &gaveUp) {
		return err
	}
	return &unreachableError{gaveUp}
}

// askAgainError is what the backend answered where asking again may help.
type askAgainError struct {
	error
	found diagnosis.Diagnosis
}

func (e *askAgainError) Error() string {
	return e.error.Error() + "; " + strings.TrimSuffix(e.found.Cause, ".")
}
func (e *askAgainError) Unwrap() error { return e.error }

// Report returns what a boot says of the error wherever its reader may look.
func (e *unreachableError) Report() report.Failure {
	if answer, ok := errors.AsType[*askAgainError](e.Last); ok {
		said := fmt.Sprintf("cannot use %s: gave up after %s and %d attempts; the last answer was: %v", e.Wait.What, e.Elapsed.Round(100*time.Millisecond), e.Attempts, answer.error)
		return report.New(exit.Unavailable, said, answer.found.Cause, answer.found.Fix[0], append(answer.found.Fix[1:], e.Longer())...)
	}
	at := place.Here()
	if stranger, ok := errors.AsType[*strangerError](e.Last); ok {
		return report.New(exit.Unavailable, e.What(), "the last attempt said: "+stranger.said+"; "+stranger.is, ownPort,
			"if it does, look what answers in its place: "+at.State("convex")+"; "+at.Log("convex"), e.Longer())
	}
	hangs := "if it is up, compare the address in CONVEX_URL with where it listens"
	if kind, _ := netcause.Of(e.Last); kind == netcause.Silent {
		hangs = "if it hangs: " + at.Restart("convex") + ", after a look at its database (" + at.State("db") + ") and at " + at.Load()
	}
	return report.New(exit.Unavailable, e.What(), "the last attempt said: "+netcause.Reason(e.Last)+"; "+e.meaning(),
		"look whether it is up: "+at.State("convex"),
		"ask it what it does: "+at.Exec("convex", "convex-entrypoint status")+"; "+at.Log("convex"),
		hangs,
		e.Longer())
}

// meaning returns what the last attempt says about the convex container.
func (e *unreachableError) meaning() string {
	if _, ok := errors.AsType[*health.StatusError](e.Last); ok {
		return "something answers there that is not ready"
	}
	switch kind, _ := netcause.Of(e.Last); kind {
	case netcause.DNS:
		return "no container with that name runs in a network of this one"
	case netcause.Refused:
		return "the host is there, but the backend has not opened its port"
	case netcause.Silent:
		return "convex is up and silent: it hangs, is overloaded, or waits for its database"
	case netcause.Timeout, netcause.Unreachable:
		return "the host is not there, or something between drops the packets"
	case netcause.Reset, netcause.Closed:
		return "something accepts the connection and drops it: a proxy or a firewall in between, a port of something else, or a backend that dies on each request"
	}
	return "the backend does not answer as it should"
}
