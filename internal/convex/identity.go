package convex

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// RunAs is the user the service becomes when it was started as root.
type RunAs struct {
	User string `env:"TALE_RUN_AS" envDefault:"1001:1001" doc:"User and group that the service becomes when it is started as root, after giving the data folder to them." accept:"UID:GID; 0:0 stays root"`
	Home string `env:"TALE_RUN_AS_HOME" envDefault:"/home/app" doc:"HOME of that user."`
}

func (r RunAs) ids() (uid, gid int, err error) {
	user, group, _ := strings.Cut(r.User, ":")
	uid, userErr := strconv.Atoi(user)
	gid, groupErr := strconv.Atoi(group)
	if userErr != nil || groupErr != nil || uid < 0 || gid < 0 {
		return 0, 0, fmt.Errorf("%q is not UID:GID", r.User)
	}
	return uid, gid, nil
}

func (r RunAs) check() config.Problems {
	if _, _, err := r.ids(); err != nil {
		return config.Problems{{Variable: "TALE_RUN_AS", Wrong: err.Error(), Accepted: "two numbers such as 1001:1001; 0:0 stays root"}}
	}
	return nil
}

// enter makes the service the user it runs as, with folders that this user can
// write to. Started as root it does not return: see supervise.Privileges.
// The data folder is the service's own with all that is in it.
func (r RunAs) enter(ctx context.Context, log *slog.Logger, folders Folders, writable ...string) error {
	uid, gid, err := r.ids()
	if err != nil {
		return exit.With(exit.Config, err)
	}
	if os.Geteuid() == 0 && uid != 0 {
		if err := giveRunDir(folders.RunDir, uid, gid); err != nil {
			return exit.With(exit.NoPermission, err)
		}
	}
	return supervise.Privileges{
		UID: uid, GID: gid, Home: r.Home, Data: []string{folders.DataDir}, Writable: append(writable, folders.RunDir),
	}.Apply(ctx, log)
}

// giveRunDir makes the run folder and gives it to the user, without its content
// and not where everybody may write anyway, as in /tmp.
func giveRunDir(folder string, uid, gid int) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("cannot make the run folder: %w", err)
	}
	info, err := os.Stat(folder)
	if err == nil && info.Mode().Perm()&0o002 == 0 {
		err = os.Chown(folder, uid, gid)
	}
	if err != nil {
		return fmt.Errorf("cannot give the run folder to uid %d: %w", uid, err)
	}
	return nil
}

func (s *Settings) enter(ctx context.Context, log *slog.Logger) error {
	return s.RunAs.enter(ctx, log, s.Folders, s.Folders.BackendDir(), s.tempDir())
}
