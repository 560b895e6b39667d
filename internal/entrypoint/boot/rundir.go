package boot

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// claimRunDir warns when another process that serves has this run folder: each would
// take the markers of the other for its own. The lock ends with this process.
func (b *Lifecycle) claimRunDir() {
	if b.options.Job != "" {
		return
	}
	path := filepath.Join(b.options.Settings.RunDir, b.options.Service+".lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		b.log.Debug("another user of the run folder would not be noticed", "error", err)
		return
	}
	b.lock = file // or it would be closed, and unlocked, as soon as nothing holds it
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		b.log.Warn("another "+b.options.Service+" container uses the same run folder: readiness and shutdown of the two are mixed up", "folder", b.options.Settings.RunDir,
			"fix", "give each container a run folder of its own (TALE_RUN_DIR; a tmpfs at /tmp, no shared volume)")
	}
}
