package volume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// errInUse is that another process has the folder.
var errInUse = errors.New("another convex container uses it")

// Claim is the right to write to a data folder; it ends with the process.
type Claim struct{ folder *os.File }

// ClaimWait returns how Claim waits.
func (s Settings) ClaimWait(timeout time.Duration) health.Wait {
	return health.Wait{What: "the data folder " + s.DataDir, Timeout: timeout, Variable: "CONVEX_WAIT_TIMEOUT"}
}

// Claim waits until no other convex container uses the data folder. Two backends would
// both write to one SQLite file, each with a cache of its own. With Postgres the lease on
// the database decides which of them writes; then that is only warned of.
func (s Settings) Claim(ctx context.Context, log *slog.Logger, storage string, wait health.Wait) (*Claim, error) {
	folder, err := os.Open(s.DataDir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the data folder: %w", err)
	}
	claim := &Claim{folder}
	if storage != stack.StorageSQLite {
		if claim.try() != nil {
			log.Warn("another convex container uses this data folder: the backend that starts last takes the database from the other, and both write to the same files",
				"folder", s.DataDir, "fix", place.Here().Containers("convex")+"; stop the one that is not meant, or give it a volume of its own")
		}
		return claim, nil
	}
	err = wait.Until(ctx, log, func(context.Context) error { return claim.try() })
	if _, late := errors.AsType[*health.GaveUpError](err); late {
		err = report.New(exit.Unavailable, fmt.Sprintf("cannot use the data folder %s: %v, and has done so for %s", s.DataDir, errInUse, wait.Timeout),
			"two containers have the same volume, with CONVEX_STORAGE=sqlite: both backends would write to one SQLite file",
			place.Here().Containers("convex")+" (which of them is not meant?), and stop that one",
			"or give this one a volume of its own").Err(err)
	}
	return claim, err
}

// try returns errInUse while another process has the folder. File systems without such
// locks cannot tell.
func (c *Claim) try() error {
	if err := unix.Flock(int(c.folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return errInUse
	}
	return nil
}
