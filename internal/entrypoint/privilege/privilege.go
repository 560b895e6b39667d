// Package privilege gives up root: a process that was started as root becomes
// its service's user, for good and on all threads, after it has given its data
// folders to that user.
//
// The program is not executed anew: as PID 1 it would be deaf to signals for the
// moment that this takes, and a stop in that moment would be lost. Children run
// as the same user; they cannot read our environment and our memory in /proc, so
// that a secret that is not in their environment is not theirs.
package privilege

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/entrypoint/writable"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// Drop says which user a service becomes and where that user must be able to
// write.
type Drop struct {
	// UID and GID are who the service becomes when it was started as root.
	UID, GID int
	// Data are folders of the service. They are made when missing; when started
	// as root, everything in them is given to UID and GID.
	Data []string
	// Own are folders that are made and given to UID and GID like Data, but
	// without their content, and not where every user may write, as in /tmp.
	Own []string
	// Writable are folders that the service must be able to write to, but whose
	// content belongs to others too, such as /tmp.
	Writable []string
}

// Apply must be the first thing a service does. Started as root, it gives the data
// folders their owner and gives up root for good, on all threads. Whichever user
// it is then, no process of the same user may look into its memory any more, and it
// checks that the folders can be written to. Errors carry
// exit.NoPermission, or exit.Unavailable when a disk is full.
func (d Drop) Apply(ctx context.Context, log *slog.Logger) error {
	if d.Needed() {
		if err := d.leaveRoot(ctx, log); err != nil {
			return d.explain(err)
		}
	}
	if err := hideMemory(); err != nil {
		return writable.WithExitCode(err)
	}
	return writable.Check(slices.Concat(d.Data, d.Writable)...)
}

func (d Drop) explain(err error) error {
	return report.New(exit.Code(writable.WithExitCode(err)), err.Error(),
		fmt.Sprintf("started as root, the service first gives its folders to uid %d gid %d and becomes that user; that did not succeed", d.UID, d.GID),
		"do what is said above",
		fmt.Sprintf("or start it as %d:%d at once (%s), with folders that belong to it", d.UID, d.GID, place.Here().User())).Err(err)
}

// Needed reports whether this process is root and should not be.
func (d Drop) Needed() bool { return os.Geteuid() == 0 && d.UID != 0 }

func (d Drop) leaveRoot(ctx context.Context, log *slog.Logger) error {
	can, err := effectiveCapabilities()
	if err != nil {
		return err
	}
	if missing := can.missing(d.needed()...); missing != nil {
		return fmt.Errorf("cannot become uid %d gid %d: %s", d.UID, d.GID, adviseCapabilities(missing,
			fmt.Sprintf(`start it as that user (user: "%d:%d")`, d.UID, d.GID)))
	}
	owners := newOwners(log, d.UID, d.GID)
	for _, folder := range d.Own {
		if err := owners.fixFolder(folder); err != nil {
			return err
		}
	}
	if err := owners.fix(ctx, d.Data); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	log.Info("giving up root", "uid", d.UID, "gid", d.GID)
	return d.become()
}

// needed returns the capabilities without which root cannot be given up. That of
// changing owners is among them when it is plain that some are wrong.
func (d Drop) needed() []capability {
	needed := []capability{capSetUID, capSetGID}
	for _, folder := range slices.Concat(d.Data, d.Own) {
		var st syscall.Stat_t
		missing := syscall.Lstat(folder, &st) != nil
		if slices.Contains(d.Own, folder) && everybodyWrites(&st) {
			continue
		}
		if missing || newOwners(nil, d.UID, d.GID).wrong(st.Uid, st.Gid) {
			return append(needed, capChown)
		}
	}
	return needed
}
