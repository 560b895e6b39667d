package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// holder holds a process still in a namespace where there is no other one, as beside convex.
func holder() int {
	fail := func(err error) int {
		fmt.Println(err)
		return exit.Code(err)
	}
	if os.Getpid() != 1 {
		return fail(fmt.Errorf("this would hold all processes of the machine still"))
	}
	if err := errors.Join(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
		return fail(err)
	}
	other := exec.Command("sleep", "1000")
	if err := other.Start(); err != nil {
		return fail(err)
	}
	stands := func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(other.Process.Pid) + "/stat")
		return err == nil && strings.Contains(string(stat), ") t ")
	}
	if os.Getenv("MAY") == "no" { // another user has no CAP_SYS_PTRACE
		if err := syscall.Setresuid(65534, 65534, 65534); err != nil {
			return fail(err)
		}
		return fail(readVolume(context.Background(), os.Getenv("VOLUME"), true, strings.NewReader(""), io.Discard, func(m message) error {
			if m.Pass != nil {
				fmt.Println("copied")
			}
			return nil
		}))
	}
	h, err := holdStill()
	if err != nil {
		return fail(err)
	}
	held := stands()
	h.release()
	fmt.Println(h.count(), held, stands())
	return 0
}

// TestProcessesStandStill: and where that is forbidden, it says so before anything is copied.
func TestProcessesStandStill(t *testing.T) {
	testkit.RequireRoot(t)
	volume, err := os.MkdirTemp("", "volume") //nolint:usetesting // t.TempDir is closed to the other user
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(volume) })
	must(t, os.Chmod(volume, 0o755))
	for may, want := range map[string]struct {
		code int
		says string
	}{
		"yes": {0, "1 true false\n"},
		"no": {exit.NoPermission, "the engine's host does not let tale hold convex still (ptrace: operation not permitted: its kernel, seccomp or the engine's own rights forbid it)," +
			" so that there is no moment to copy: `docker stop` the convex container, take the backup, and `docker start` it\n"},
	} {
		t.Run(may, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), "/proc/self/exe")
			command.Env = append(os.Environ(), testkit.RoleVariable+"=holder", "MAY="+may, "VOLUME="+volume)
			command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
			out, _ := command.CombinedOutput()
			if code := command.ProcessState.ExitCode(); code != want.code || string(out) != want.says {
				t.Errorf("exit code %d, want %d: %s", code, want.code, out)
			}
		})
	}
}
