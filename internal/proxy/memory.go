package proxy

import (
	"log/slog"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryShare is how much of the container's memory the Go runtime may plan
// with; the rest is for what it does not count: the program's text, and what the kernel
// holds of connections.
const memoryShare = 0.7

// limitMemory sets the garbage collector's limit to that of the container, if there
// is one. GOMEMLIMIT, where an operator sets it, wins.
func limitMemory(log *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithRatio(memoryShare))
	if err != nil {
		log.Debug("memory limit unknown", "error", err)
		return
	}
	log.Debug("memory limit set", "bytes", limit)
}

// freeStartMemory gives back what only the start needed: three megabytes of
// configuration and module tables, which an idle process would keep for as long as
// nothing makes it collect.
func freeStartMemory() { debug.FreeOSMemory() }
