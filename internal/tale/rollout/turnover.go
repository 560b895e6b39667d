package rollout

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

const (
	// offerLimit is how long the proxy may take to offer a colour that is ready: its
	// probes come every second, and two have to pass.
	offerLimit = 30 * time.Second
	visitLimit = 30 * time.Second
	againLimit = 10 * time.Second // once it has answered through the new colour; it is asked twice at least
	visitEvery = 500 * time.Millisecond
)

// NotOfferedError is a new colour that is ready and to which the proxy sends nothing.
type NotOfferedError struct{ Service, Why string }

func (e *NotOfferedError) Error() string {
	return fmt.Sprintf("the proxy does not send requests to %s: %s", e.Service, e.Why)
}

// NotVisibleError is a site that does not answer through the new colour.
type NotVisibleError struct {
	URL   string
	Why   error
	Logs  string // the command that prints what the proxy has written
	First bool   // there is no earlier release to go back to: the new one is left running
}

func (e *NotVisibleError) Error() string {
	text := fmt.Sprintf("%s does not answer as it should: %v", e.URL, e.Why)
	// A proxy ends the handshake with this alert where it has no certificate at all.
	if unknown := new(tls.CertificateVerificationError); errors.As(e.Why, &unknown) || strings.Contains(e.Why.Error(), "tls: internal error") {
		text += "; the proxy has no certificate for it: one of ACME comes once the name leads to this host and port 80 or 443 is open: `" + e.Logs + "` shows the attempts"
	}
	if e.First {
		text += "; all services are up and stay so"
	}
	return text
}

// ExitCode tells a first release, which stays, from one that is taken back.
func (e *NotVisibleError) ExitCode() int {
	if e.First {
		return exit.Degraded
	}
	return exit.Failure
}

func (e *NotVisibleError) Unwrap() error { return e.Why }

// turnsOver returns the change of the web application, if it makes visitors meet another
// container than before.
func (r *rollout) turnsOver() (Change, bool) {
	change, there := r.plan.Of(stack.Platform)
	return change, there && change.Action != Keep
}

// switchOver waits until the proxy sends new requests to the new colour.
func (r *rollout) switchOver(ctx context.Context) error {
	change, there := r.turnsOver()
	proxy, hasProxy, err := r.proxy(ctx)
	if !there || !hasProxy || err != nil {
		return err
	}
	service, _ := r.Model.Service(change.Service, change.Colour)
	container, err := r.Engine.Inspect(ctx, service.Container)
	if err != nil {
		return err
	}
	name := stack.Coloured(change.Service, change.Colour)
	r.begin("switch")
	remind := r.reminder(name)
	deadline := time.Now().Add(min(offerLimit, r.Timeout))
	for {
		var why string
		serving, err := askProxy(ctx, r.Engine, proxy)
		switch {
		case errors.Is(err, errNoStatus):
			r.end("the proxy cannot be asked; " + name + " is ready")
			return nil
		case err != nil:
			why = err.Error()
		case serving.Offers(container):
			r.end("the proxy sends new requests to " + name)
			return nil
		default:
			why = notOffered(serving, container)
		}
		remind.progress("waiting for the proxy: " + why)
		if time.Now().After(deadline) {
			return &NotOfferedError{Service: name, Why: why}
		}
		if !pause.For(ctx, lookEvery) {
			return ctx.Err()
		}
	}
}

func notOffered(serving Serving, container engine.Container) string {
	address, known := serving.Of(container)
	switch {
	case !known:
		return "it does not know the address yet"
	case address.Reason != "":
		return "its probe says " + address.Reason
	case !address.Healthy:
		return "it has not passed its probes yet"
	default:
		return "it prefers another address"
	}
}

// proxy returns the container of the proxy, if the project has one that runs.
func (r *rollout) proxy(ctx context.Context) (engine.Container, bool, error) {
	service, asked := r.Model.Service(stack.Proxy, "")
	if !asked {
		return engine.Container{}, false, nil
	}
	container, err := r.Engine.Inspect(ctx, service.Container)
	if err != nil {
		return container, false, fmt.Errorf("cannot look at the proxy: %w", err)
	}
	return container, true, nil
}

// look remembers whether the site answered before anything was switched: what is wrong
// then is not the new release's fault.
func (r *rollout) look(ctx context.Context) {
	change, there := r.turnsOver()
	if !there || change.Action == Create || r.stoodStill() {
		return
	}
	if err := r.visitOnce(ctx); err != nil {
		r.before = err.Error()
	}
}

// visit asks for the site as a visitor does, through the proxy's public port.
func (r *rollout) visit(ctx context.Context) error {
	change, there := r.turnsOver()
	if !there {
		return nil
	}
	r.begin("visit")
	if _, asked := r.Model.Service(stack.Proxy, ""); !asked {
		r.end("nothing was visited: the project has no proxy")
		return nil
	}
	remind := r.reminder("")
	deadline := time.Now().Add(min(visitLimit, r.Timeout))
	for {
		err := r.visitOnce(ctx)
		if err == nil {
			r.visited = true
			r.end("the site answers")
			return nil
		}
		if err.Error() == r.before {
			r.note("", "the site did not answer before either: "+r.before)
			r.end("")
			return nil
		}
		remind.progress("waiting for the site: " + err.Error())
		var invisible *NotVisibleError
		if time.Now().After(deadline) {
			if change.Action == Create && !r.stoodStill() && errors.As(err, &invisible) {
				r.passed, invisible.First = true, true
			}
			return err
		}
		if !pause.For(ctx, visitEvery) {
			return ctx.Err()
		}
	}
}

// visitAgain returns why a site that has answered does not do so any more, nil if it does. It is
// as patient with an answer as visit was, and what hides the site from here says nothing of it.
func (r *rollout) visitAgain(ctx context.Context) error {
	remind, deadline := r.reminder(""), time.Now().Add(min(againLimit, r.Timeout))
	for asked := 1; r.visited; asked++ {
		err := r.visitOnce(ctx)
		if lost := new(NotVisibleError); !errors.As(err, &lost) {
			return nil
		}
		remind.progress("waiting for the site: " + err.Error())
		if asked > 1 && time.Now().After(deadline) || !pause.For(ctx, visitEvery) {
			return err
		}
	}
	return nil
}

// visitOnce asks the site for its page.
func (r *rollout) visitOnce(ctx context.Context) error {
	proxy, there, err := r.proxy(ctx)
	if !there || err != nil {
		return err
	}
	visitor, err := r.Site(ctx, proxy)
	if err != nil || visitor == nil {
		return err
	}
	defer visitor.Close()
	logs := r.stack().Logs() + " " + stack.Proxy
	answer, err := visitor.Ask(ctx, site.Request{URL: "/", Header: map[string]string{"Accept": "text/html"}})
	if err != nil {
		return &NotVisibleError{URL: visitor.URL(), Why: err, Logs: logs}
	}
	if answer.StatusCode >= http.StatusInternalServerError {
		return &NotVisibleError{URL: visitor.URL(), Why: fmt.Errorf("it answers %s", answer.Status), Logs: logs}
	}
	return nil
}
