package proxy

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/proxy/certstore"
	"github.com/tale-project/tale-runtime/internal/proxy/logbridge"
)

// lostPause is the time between two looks at the names; what makes Caddy give up a
// name, such as a full disk, takes about as long to be mended.
const lostPause = time.Minute

// keepCertificates has Caddy begin again with names that it gave up, for as long as
// the process lives. Caddy itself does that at the next start only.
func keepCertificates(s *Settings, log *slog.Logger) {
	tick := time.NewTicker(lostPause)
	defer tick.Stop()
	for range tick.C {
		recoverNames(s, log)
	}
}

func recoverNames(s *Settings, log *slog.Logger) {
	lost := lostNames(certstore.States(context.Background(), s.CertifiedNames()))
	if len(lost) == 0 {
		return
	}
	log.Warn("beginning again with certificates that were given up", "names", logging.Few(lost.names()), "reason", logbridge.CertificateTrouble())
	if err := certstore.TryAgain(lost.names()); err != nil {
		log.Error("cannot begin again with certificates", "error", err)
	}
}

// lost are names without a certificate that are not being given one.
type lost []certstore.State

func lostNames(states []certstore.State) (all lost) {
	for _, state := range states {
		if state.Lost() {
			all = append(all, state)
		}
	}
	return all
}

func (l lost) names() (names []string) {
	for _, state := range l {
		names = append(names, state.Name)
	}
	return names
}

func (l lost) Err() error {
	var all []error
	for _, state := range l {
		all = append(all, errors.New(state.String()))
	}
	return errors.Join(all...)
}
