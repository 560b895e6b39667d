package certstore

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"

	"github.com/tale-project/tale-runtime/internal/proxy/issuer"
)

// State is how a name of the site is doing.
type State struct {
	Name string `json:"name"`
	// Certified reports whether there is a certificate that has not ended.
	Certified bool `json:"certified"`
	// Underway reports whether one is being got, or will be without anybody's help.
	Underway bool      `json:"underway"`
	Reason   string    `json:"reason,omitempty"` // why there is none yet
	Next     time.Time `json:"next_attempt,omitzero"`
}

// Lost reports whether nothing is going to give the name a certificate.
func (s State) Lost() bool { return !s.Certified && !s.Underway }

func (s State) String() string {
	switch {
	case s.Certified:
		return s.Name + " has a certificate"
	case s.Lost():
		return "there is no certificate for " + s.Name + " and none is being got"
	case s.Reason == "":
		return "a certificate for " + s.Name + " is being got"
	}
	if s.Next.IsZero() { // an attempt is under way that takes long
		return fmt.Sprintf("a certificate for %s is being got; %s", s.Name, s.Reason)
	}
	return fmt.Sprintf("a certificate for %s is being got; the last attempt failed: %s; next attempt at %s", s.Name, s.Reason, s.Next.UTC().Format(time.TimeOnly))
}

// States looks at the names in the running Caddy. While that starts, they all are
// under way.
func States(ctx context.Context, names []string) []State {
	states := make([]State, 0, len(names))
	running := caddy.ActiveContext()
	app, err := running.AppIfConfigured("tls")
	for _, name := range names {
		s := State{Name: name, Certified: certified(name), Underway: err != nil}
		if err == nil {
			s.look(ctx, app.(*caddytls.TLS), running.Storage())
		}
		states = append(states, s)
	}
	return states
}

// look fills in what is being done.
func (s *State) look(ctx context.Context, app *caddytls.TLS, storage certmagic.Storage) {
	for _, policy := range app.Automation.Policies {
		for _, one := range policy.Issuers {
			acme, ok := one.(*issuer.Issuer)
			if !ok {
				continue
			}
			if progress, ok := acme.Progress(s.Name); ok {
				s.Underway, s.Reason, s.Next = true, progress.Reason, progress.Next
				return
			}
		}
	}
	s.Underway = !s.Certified && locked(ctx, storage, s.Name)
}

// certified does not ask when the certificate begins: where that is still to come,
// it is this machine's clock that is wrong.
func certified(name string) bool {
	for _, certificate := range caddytls.AllMatchingCertificates(name) {
		if !certificate.Expired() {
			return true
		}
	}
	return false
}

// locked reports whether a process works on the name's certificate: certmagic holds
// a lock from before the first attempt until it gives up, the pauses between
// attempts included, and renews its time every five seconds.
func locked(ctx context.Context, storage certmagic.Storage, name string) bool {
	info, err := storage.Stat(ctx, path.Join("locks", certmagic.StorageKeys.Safe("issue_cert_"+strings.ToLower(name))+".lock"))
	return err == nil && time.Since(info.Modified).Abs() < 2*lockFresh
}

// TryAgain has Caddy begin anew with names that are lost.
func TryAgain(names []string) error {
	app, err := caddy.ActiveContext().AppIfConfigured("tls")
	if err != nil {
		return err
	}
	set := map[string]struct{}{}
	for _, name := range names {
		set[name] = struct{}{}
	}
	return app.(*caddytls.TLS).Manage(set)
}
