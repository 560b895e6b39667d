package boot

import (
	"syscall"

	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// leastFiles is how many open files a service takes with its children: sockets of visitors, the
// database and what a program loads. Of more than mostFiles some programs close each one
// before they start.
const (
	leastFiles = 1024
	mostFiles  = 1 << 20
)

// raiseFileLimit gives children as many open files as the container may have: an engine may
// set a soft limit that is far lower, and few programs raise it. Go has raised ours, and
// would give children the old one. A limit that ends connections and starts of programs is
// named, as few programs say so themselves.
func (b *Lifecycle) raiseFileLimit() {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	if err == nil {
		limit.Cur = min(limit.Max, mostFiles)
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	if err != nil {
		b.log.Debug("cannot raise the limit of open files", "error", err)
	} else if limit.Max < leastFiles {
		b.log.Warn("the limit of open files is low: connections and programs fail when it is used up", "limit", limit.Max, "least", leastFiles, "fix", place.Here().FileLimit())
	}
}
