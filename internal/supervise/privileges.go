package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Privileges say who a service runs as and where it must be able to write.
type Privileges struct {
	// UID and GID are who the service becomes when it was started as root.
	UID, GID int
	// Data are folders of the service. They are made when missing; when started
	// as root, everything in them is given to UID and GID.
	Data []string
	// Own are folders that are made and given to UID and GID like Data, but
	// without their content, and not where everybody may write, as in /tmp.
	Own []string
	// Writable are folders that the service must be able to write to, but whose
	// content belongs to others too, such as /tmp.
	Writable []string
}

// Apply is the first thing a service does. Started as root, it gives the data
// folders their owner and gives up root for good, on all threads. Whoever it is
// then, no process of the same user may look into its memory any more, and it
// checks that the folders can be written to. Errors carry
// exit.NoPermission, or exit.Unavailable when a disk is full.
func (p Privileges) Apply(ctx context.Context, log *slog.Logger) error {
	if p.Needed() {
		if err := p.leaveRoot(ctx, log); err != nil {
			return refusal(err)
		}
	}
	if err := hideMemory(); err != nil {
		return refusal(err)
	}
	return CheckWritable(slices.Concat(p.Data, p.Writable)...)
}

// Needed reports whether this process is root and should not be.
func (p Privileges) Needed() bool { return os.Geteuid() == 0 && p.UID != 0 }

func (p Privileges) leaveRoot(ctx context.Context, log *slog.Logger) error {
	can, err := effectiveCapabilities()
	if err != nil {
		return err
	}
	if missing := can.missing(p.needed()...); missing != nil {
		return fmt.Errorf("cannot become uid %d gid %d: %s", p.UID, p.GID, adviseCapabilities(missing,
			fmt.Sprintf(`start it as that user (user: "%d:%d")`, p.UID, p.GID)))
	}
	for _, folder := range slices.Concat(p.Data, p.Own) {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("cannot make the folder %s: %w", folder, err)
		}
	}
	owners := newOwners(log, p.UID, p.GID)
	for _, folder := range p.Own {
		if err := owners.fixFolder(folder); err != nil {
			return err
		}
	}
	if err := owners.fix(ctx, p.Data); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	log.Info("giving up root", "uid", p.UID, "gid", p.GID)
	return p.become()
}

// needed are the capabilities without which root cannot be given up. That of
// changing owners is among them when it is plain that some are wrong.
func (p Privileges) needed() []capability {
	needed := []capability{capSetUID, capSetGID}
	for _, folder := range slices.Concat(p.Data, p.Own) {
		var st unix.Stat_t
		missing := unix.Stat(folder, &st) != nil
		if slices.Contains(p.Own, folder) && everybodyWrites(&st) {
			continue
		}
		if missing || newOwners(nil, p.UID, p.GID).wrong(&st) {
			return append(needed, capChown)
		}
	}
	return needed
}
