package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Requests of ptrace that the library has no name for.
const (
	ptraceSeize     = 0x4206
	ptraceInterrupt = 0x4207
)

// held are threads that stand still. They go on when the thread that holds them ends,
// however it ends: that is ptrace's, and why it is used instead of SIGSTOP or a cgroup.
type held struct {
	threads map[int]unix.Signal // and the signal that each is to get
}

// holdStill stops all threads of all processes but this one and returns when they have
// stopped, so that no system call of theirs is under way. It binds the goroutine to its
// thread.
func holdStill() (*held, error) {
	runtime.LockOSThread()
	h := &held{threads: map[int]unix.Signal{}}
	for {
		// A thread that has not been stopped yet may start others.
		more, err := h.sweep()
		if err != nil {
			h.release()
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
				return nil, exit.Errorf(exit.NoPermission, "the engine's host does not let tale hold convex still (%w: its kernel, seccomp or the engine's own rights forbid it), so that there is no moment to copy: `docker stop` the convex container, take the backup, and `docker start` it", err)
			}
			return nil, fmt.Errorf("cannot hold the processes of the container still: %w", err)
		}
		if !more {
			return h, nil
		}
	}
}

func (h *held) sweep() (more bool, err error) {
	threads, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	if err != nil {
		return false, err
	}
	own := "/proc/" + strconv.Itoa(os.Getpid()) + "/"
	for _, path := range threads {
		id, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return false, err
		}
		if _, done := h.threads[id]; done || strings.HasPrefix(path, own) {
			continue
		}
		stopped, err := h.stop(id, path)
		if err != nil {
			return false, err
		}
		more = more || stopped
	}
	return more, nil
}

// stop stops a thread; one that ends meanwhile is no error.
func (h *held) stop(id int, path string) (stopped bool, err error) {
	for _, request := range []uintptr{ptraceSeize, ptraceInterrupt} {
		_, _, errno := unix.Syscall6(unix.SYS_PTRACE, request, uintptr(id), 0, 0, 0, 0)
		if errno == unix.ESRCH || errno != 0 && ended(path) {
			return false, nil
		}
		if errno != 0 {
			return false, os.NewSyscallError("ptrace", errno)
		}
	}
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(id, &status, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ECHILD) || err == nil && !status.Stopped() {
			return false, nil
		}
		if err != nil {
			return false, os.NewSyscallError("wait4", err)
		}
		break
	}
	h.threads[id] = 0
	if uint32(status)>>16 == 0 { // on its way to a signal, which is passed on
		h.threads[id] = status.StopSignal()
	}
	return true, nil
}

// ended reports whether a thread is a zombie, or gone.
func ended(path string) bool {
	text, err := os.ReadFile(path + "/stat")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return true
	}
	_, after, found := strings.Cut(string(text), ") ")
	return found && (strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X"))
}

// release lets them go on.
func (h *held) release() {
	for id, signal := range h.threads {
		// One that was killed meanwhile is gone.
		_, _, _ = unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(id), 0, uintptr(signal), 0, 0)
	}
	runtime.UnlockOSThread()
}

func (h *held) count() int { return len(h.threads) }

// syncBelow waits until the disk has all of the file system that a folder is on.
func syncBelow(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(folder.Fd())), folder.Close())
}
