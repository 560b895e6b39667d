package supervise

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// siginfo is what waitid fills in, as far as we read it (64-bit layout).
type siginfo struct {
	signo, errno, code, _ int32
	pid, uid, status      int32
	_                     [100]byte
}

func waitid(idType, id, options int) (siginfo, error) {
	for {
		var info siginfo
		err := unix.Waitid(idType, id, (*unix.Siginfo)(unsafe.Pointer(&info)), options|unix.WNOHANG, nil)
		if err != unix.EINTR {
			return info, err
		}
	}
}

// dead reports whether a child of ours has ended and was not collected.
func dead(pid int) bool {
	info, err := waitid(unix.P_PID, pid, unix.WEXITED|unix.WNOWAIT)
	return err == nil && int(info.pid) == pid
}

// firstDead returns one dead, uncollected child of this process, or 0.
func firstDead() int {
	info, err := waitid(unix.P_ALL, 0, unix.WEXITED|unix.WNOWAIT)
	if err != nil {
		return 0
	}
	return int(info.pid)
}

// suspendedBy returns, once, the signal that has suspended a child, or 0.
func suspendedBy(pid int) syscall.Signal {
	info, err := waitid(unix.P_PID, pid, unix.WSTOPPED)
	if err != nil || int(info.pid) != pid {
		return 0
	}
	return syscall.Signal(info.status)
}

func wait4(pid int, ws *unix.WaitStatus, usage *unix.Rusage) (int, error) {
	for {
		got, err := unix.Wait4(pid, ws, unix.WNOHANG, usage)
		if err != unix.EINTR {
			return got, err
		}
	}
}
