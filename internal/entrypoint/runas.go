package entrypoint

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint/privilege"
)

// RunAs is the user that a service becomes when it was started as root.
type RunAs struct {
	User string `env:"TALE_RUN_AS" tier:"advanced" envDefault:"1001:1001" doc:"User and group that the service becomes when it is started as root, after giving its own folders to them." accept:"UID:GID; 0:0 stays root"`
	Home string `env:"TALE_RUN_AS_HOME" tier:"advanced" envDefault:"/home/app" doc:"HOME of that user."`
}

// Validate reports what is not a user.
func (r RunAs) Validate() config.Problems {
	if _, _, err := privilege.ParseUser(r.User); err != nil {
		return config.Problems{{Variable: "TALE_RUN_AS", Wrong: fmt.Sprintf("%q is not UID:GID", r.User), Accepted: "two numbers such as 1001:1001; 0:0 stays root"}}
	}
	return nil
}

// Folders are what a service writes to beside its run folder.
type Folders struct {
	// Data are the service's own, with all that is in them.
	Data []string
	// Writable need only be writable.
	Writable []string
}

func (s Settings) enter(ctx context.Context, inv Invocation, folders Folders) error {
	uid, gid, err := privilege.ParseUser(s.RunAs.User)
	if err != nil {
		return nil //nolint:nilerr // Load reports it with all other problems of the settings
	}
	keepDescriptors()
	drop := privilege.Drop{UID: uid, GID: gid, Data: folders.Data, Own: []string{s.Boot.RunDir}, Writable: folders.Writable}
	if drop.Needed() {
		inv.Environ["HOME"] = s.RunAs.Home
		s.removeReportsOfRoot(inv)
	}
	return drop.Apply(ctx, inv.Log)
}

// keepDescriptors keeps what this process was started with, beyond its input and
// outputs, from its children. A kernel older than 5.11 cannot do that at once;
// there they have what they always had.
func keepDescriptors() { _ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) }

// removeReportsOfRoot removes what a boot that failed as root has left: in a
// folder like /tmp the user whom the service becomes could not replace it, and
// the old failure would stay. They are not given to that user, because a link
// of that name may lead to any file of root's.
func (s Settings) removeReportsOfRoot(inv Invocation) {
	paths, _ := filepath.Glob(s.Boot.ReportPath(inv.service, "*")) // the only error is a bad pattern
	for _, path := range append(paths, s.Boot.ReportPath(inv.service, "")) {
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil || st.Uid != 0 {
			continue
		}
		if err := os.Remove(path); err != nil {
			inv.Log.Warn("cannot remove the report of an earlier start as root", "file", path, "error", err)
		}
	}
}
