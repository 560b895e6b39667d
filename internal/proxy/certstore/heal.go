package certstore

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// writing is more than a process needs to write the files of one certificate.
const writing = 2 * time.Second

// Store is the folder of one proxy.
type Store struct {
	Root     string   // Caddy's file storage
	Local    []string // names that the local authority certifies
	Public   []string // names that an ACME authority certifies
	ACMERoot string   // PEM file with the root of a private ACME authority; "" for none
	RootCopy string   // file with a copy of the local root certificate; "" for none
}

// healer is one pass over a store.
type healer struct {
	Store
	ctx   context.Context
	log   *slog.Logger
	now   time.Time
	moved int
}

// Heal makes the store usable for Caddy, and logs a warning with the name of each
// file that was not. The error names every file that needs a person, and the fix.
// No Caddy may run on the store in this process yet; one in another process may.
func (s Store) Heal(ctx context.Context, log *slog.Logger, now time.Time) error {
	h := &healer{Store: s, ctx: ctx, log: log, now: now}
	root, err := h.root()
	if err == nil {
		err = errors.Join(h.intermediate(root), h.leaves(root))
	}
	err = errors.Join(err, h.locks(), h.accounts(), h.staples())
	if h.moved > 0 {
		err = errors.Join(err, h.prune())
	}
	return err
}

// certain checks files again, a moment later, when they are damaged and were just
// written: another process on the same store may be between two of them.
func (h *healer) certain(files pair, check func() error) error {
	err := check()
	if !isDamage(err) || !justWritten(files.certificate) && !justWritten(files.key) {
		return err
	}
	if !pause.For(h.ctx, writing) {
		return h.ctx.Err()
	}
	return check()
}

func justWritten(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()).Abs() < writing
}
