package supervise

import (
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// A machine that has no room for a process says nothing about the command.
func TestNoRoomForAProcess(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EAGAIN: "pids_limit", syscall.ENOMEM: "no room", syscall.EMFILE: "no room", syscall.ENFILE: "no room",
	} {
		if err := startError("/bin/true", "", errno); exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), errno.Error()) {
			t.Errorf("%v: %v (%d)", errno, err, exit.Code(err))
		}
	}
}
