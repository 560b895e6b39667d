package supervise

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/sys/procfs"
)

// strayMark is the variable by which a descendant that left its group, as a
// daemon does, and was adopted by us is recognised.
const strayMark = "TALE_SUPERVISED_BY"

// markStrays adds the mark to a child's environment.
func (t *table) markStrays(env []string) []string {
	return append(append(make([]string, 0, len(env)+1), env...), t.mark)
}

// newMark returns a mark that differs from that of an earlier process with the same pid.
func newMark() string {
	return fmt.Sprintf("%s=%d.%d", strayMark, os.Getpid(), time.Now().UnixNano())
}

// endStrays kills the descendants of children of ours that became orphans and
// are in no group we know. For limit at most it waits until they are gone and
// those that they left behind, too.
func (t *table) endStrays(limit time.Duration) (killed int) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		n := t.killStrays()
		killed = max(killed, n)
		if n == 0 || !pause.For(ctx, groupRecheck) {
			return killed
		}
	}
}

// killStrays holds the lock, so that no pid it kills can have been collected.
func (t *table) killStrays() (killed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, pid := range procfs.Children(os.Getpid()) {
		if t.leaders[pid] == nil && t.marked(pid) {
			_ = unix.Kill(pid, unix.SIGKILL)
			killed++
		}
	}
	return killed
}

// marked reads the environment with which a process was started. A dead one
// has none.
func (t *table) marked(pid int) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+t.mark+"\x00"))
}
