package boot

import (
	"syscall"

	"github.com/tale-project/tale-runtime/internal/place"
	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

// leastProcesses is how many processes and threads a service takes with its children and a
// health check.
const leastProcesses = 100

// warnOfFewProcesses names a limit at which health checks, and then everything else, end with
// a trace of their language's runtime instead of a message.
func (b *Lifecycle) warnOfFewProcesses() {
	if limit, known := cgroup.Processes(); known && limit < leastProcesses {
		b.log.Warn("the limit of processes and threads is low: whatever starts when it is used up fails, health checks too", "limit", limit, "least", leastProcesses, "fix", "raise "+place.Here().ProcessLimit())
	}
}

// leastFiles is how many open files a service takes with its children: sockets of visitors, the
// database and what a program loads.
const leastFiles = 1024

// warnOfFewFiles names a limit that ends connections and starts of programs, which few
// programs say of themselves.
func (b *Lifecycle) warnOfFewFiles() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Max < leastFiles {
		b.log.Warn("the limit of open files is low: connections and programs fail when it is used up", "limit", limit.Max, "least", leastFiles, "fix", place.Here().FileLimit())
	}
}
