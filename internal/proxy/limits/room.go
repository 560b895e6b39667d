package limits

import (
	"math"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

const (
	// filesPerConnection: its own, and one to an upstream.
	filesPerConnection = 2
	// spareFiles are for listeners, certificates, probes and what Go keeps open.
	spareFiles = 64

	// bytesPerConnection lies between what an idle one takes over TLS, 34 KiB, and
	// one with a slow upload, 92 KiB with its connection to the upstream.
	bytesPerConnection = 64 << 10
	// baseBytes is what the process takes without visitors, the program's text,
	// which the kernel can drop, left out.
	baseBytes = 24 << 20

	// idleBytes is that and a few hundred connections, beside which large answers have room.
	idleBytes = 32 << 20

	// leastRoom keeps a site alive with limits that make no sense.
	leastRoom = 32
)

// roomFor returns how many connections fit.
func roomFor(files, memory uint64) int {
	room := uint64(math.MaxInt32)
	room = min(room, (max(files, spareFiles)-spareFiles)/filesPerConnection)
	room = min(room, (max(memory, baseBytes)-baseBytes)/bytesPerConnection)
	return int(max(room, leastRoom)) //nolint:gosec // at most MaxInt32
}

// roomForAnswers returns how many large answers fit.
func roomForAnswers(memory uint64) int {
	room := (max(memory, idleBytes) - idleBytes) / bytesPerAnswer
	return int(min(max(room, leastRoom), math.MaxInt32)) //nolint:gosec // at most MaxInt32
}

// files returns how many descriptors the process may have. Go has raised the soft limit
// to the hard one by then.
func files() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}
	return limit.Cur
}

// memory returns how many bytes there may be: what the machine has, the container's limit,
// or GOMEMLIMIT, whichever is least.
func memory() uint64 {
	limit := uint64(max(debug.SetMemoryLimit(-1), 0)) //nolint:gosec // not negative
	if container, ok := cgroup.Here().Limit(); ok {
		limit = min(limit, container)
	}
	var machine unix.Sysinfo_t
	if unix.Sysinfo(&machine) == nil {
		limit = min(limit, uint64(machine.Totalram)*uint64(machine.Unit)) //nolint:unconvert // not everywhere
	}
	return limit
}
