package backup

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{"helper": helperThatIsKilled, "holder": holder}))
}

// helperThatIsKilled does what a helper does, in the folder VOLUME.
func helperThatIsKilled() int {
	root, err := os.Getenv("VOLUME"), error(nil)
	switch os.Getenv("VERB") {
	case unpackVerb:
		err = unpacked(context.Background(), root, "run", os.Getenv("TREE"), os.Stdin)
	case swapVerb:
		err = swap(root, "run")
	case dropVerb:
		err = drop(root, true)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// changing are the system calls that change a folder; opening a file is one if that makes it.
var changing = []uint64{
	unix.SYS_RENAMEAT, unix.SYS_UNLINKAT, unix.SYS_MKDIRAT, unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_MKNODAT,
	unix.SYS_FCHOWNAT, unix.SYS_FCHMODAT, unix.SYS_UTIMENSAT, unix.SYS_FTRUNCATE, unix.SYS_OPENAT,
}

// entered is the beginning of what PTRACE_GET_SYSCALL_INFO says.
type entered struct {
	op           uint8
	_            [3]uint8
	_            uint32
	_, _, number uint64
	args         [6]uint64
}

// changes reports whether a stopped thread is about to change a folder.
func changes(thread int) bool {
	const getSyscallInfo, entry = 0x420e, 1
	var is entered
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(thread), unsafe.Sizeof(is), uintptr(unsafe.Pointer(&is)), 0, 0)
	return errno == 0 && is.op == entry && slices.Contains(changing, is.number) && (is.number != unix.SYS_OPENAT || is.args[2]&unix.O_CREAT != 0)
}

// runUntil runs a helper and kills it before its n-th change. It reports whether there
// were so many; one that comes to its end has to succeed.
func runUntil(t *testing.T, n int, verb, root, tree string, input []byte) (killed bool) {
	t.Helper()
	runtime.LockOSThread() // the tracer is a thread
	defer runtime.UnlockOSThread()
	command := exec.CommandContext(t.Context(), "/proc/self/exe")
	command.Env = append(os.Environ(), testkit.RoleVariable+"=helper", "VERB="+verb, "VOLUME="+root, "TREE="+tree)
	path := filepath.Join(t.TempDir(), "input")
	must(t, os.WriteFile(path, input, 0o600))
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	command.Stdin, command.Stderr = file, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	must(t, command.Start())
	pid := command.Process.Pid
	var status unix.WaitStatus
	_, err = unix.Wait4(pid, &status, 0, nil)
	must(t, err)
	must(t, unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL))
	must(t, unix.PtraceSyscall(pid, 0))
	for {
		thread, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		must(t, err)
		signal := 0
		switch {
		case thread == pid && (status.Exited() || status.Signaled()):
			if !killed && status.ExitStatus() != 0 {
				t.Fatalf("%s ends with %d", verb, status.ExitStatus())
			}
			return killed
		case !status.Stopped() || killed:
			continue
		case status.StopSignal() == unix.SIGTRAP|0x80:
			if changes(thread) {
				n--
			}
			if killed = n == 0; killed {
				must(t, unix.Kill(pid, unix.SIGKILL))
				continue
			}
		case status.StopSignal() != unix.SIGTRAP && status.StopSignal() != unix.SIGSTOP:
			signal = int(status.StopSignal())
		}
		_ = unix.PtraceSyscall(thread, signal) // it may have ended
	}
}

// TestHelpersThatAreKilledAnywhere kills them before each change that they make, and does
// the same again: what comes of it is what comes of one that is not killed.
func TestHelpersThatAreKilledAnywhere(t *testing.T) {
	testkit.RequireRoot(t)
	from := t.TempDir()
	testkit.WriteTree(t, from, map[string]string{"both": "new", "folder/a": "a", "folder/b": "b"})
	must(t, os.Symlink("a", filepath.Join(from, "folder/link")))
	archive, gone, v := copyOf(t, from)
	input := framed(archive, gone)
	want := treeOf(t, from)
	before := map[string]string{"both": "old", "old": "old"}
	for _, verb := range []string{unpackVerb, swapVerb, dropVerb} {
		kills := 0
		for killed := true; killed; kills++ {
			root := t.TempDir()
			testkit.WriteTree(t, root, before)
			killIf := func(next string) {
				if next == verb {
					killed = runUntil(t, kills+1, verb, root, v.Tree, input)
				}
			}
			killIf(unpackVerb)
			must(t, unpacked(t.Context(), root, "run", v.Tree, bytes.NewReader(input)))
			killIf(swapVerb)
			must(t, swap(root, "run"))
			same(t, treeOf(t, root), want)
			if found, err := lookInto(root); err != nil || found != (state{Names: 2, Done: "run", Left: true}) {
				t.Errorf("%s killed before change %d: %+v, %v", verb, kills+1, found, err)
			}
			for name, text := range before {
				if got := testkit.ReadFile(t, filepath.Join(root, hidden, beforeName, name)); got != text {
					t.Errorf("%s of before holds %q", name, got)
				}
			}
			killIf(dropVerb)
			must(t, drop(root, true))
			same(t, treeOf(t, root), want)
			if _, err := os.Lstat(filepath.Join(root, hidden)); err == nil || t.Failed() {
				t.Fatalf("%s killed before change %d: %v", verb, kills+1, err)
			}
		}
		if t.Logf("%s: %d kills", verb, kills-1); kills < 3 {
			t.Errorf("%s was killed %d times", verb, kills-1)
		}
	}
}
