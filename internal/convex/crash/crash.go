package crash

import (
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// Crash is an unrequested end of the backend, with its explanation.
type Crash struct {
	Time     time.Time
	Ended    string // exit code or signal, as text
	Uptime   string
	Cause    string
	Evidence string // the line or count the cause was read from
	Fix      string
	Log      []string // its last lines
}

// Attributes returns the crash as key/value pairs for the log.
func (c Crash) Attributes() []any {
	attributes := []any{"end", c.Ended, "uptime", c.Uptime, "cause", c.Cause}
	if c.Evidence != "" {
		attributes = append(attributes, "evidence", c.Evidence)
	}
	return append(attributes, "fix", c.Fix)
}

// Evidence is what a crash is read from.
type Evidence struct {
	Ended       string         // exit code or signal, as text
	Signal      syscall.Signal // 0 when it ended by itself
	Code        int
	OutOfMemory bool   // the kernel killed it for want of memory
	Killer      string // who killed it, as far as that is known
	Lines       []string
}

// Read explains the end of a backend.
func Read(at time.Time, uptime time.Duration, e Evidence) Crash {
	crash := Crash{
		Time: at.UTC().Truncate(time.Millisecond), Ended: e.Ended,
		Uptime: uptime.Round(time.Millisecond).String(), Log: e.Lines,
	}
	last := e
	last.Lines = lastWords(e)
	for _, cause := range causes() {
		if proof := cause.proof(last); proof != "" {
			crash.Cause, crash.Fix, crash.Evidence = cause.cause, cause.fix, proof
			return crash
		}
	}
	crash.Cause, crash.Fix = unexplained(e)
	if len(e.Lines) > 0 {
		crash.Evidence = "its last line: " + strings.TrimSpace(e.Lines[len(e.Lines)-1])
	}
	return crash
}

// endings begin what the backend prints when it ends by itself: the error of main, of
// its command line, of a panic, of the allocators, and a fatal error of the database.
var endings = regexp.MustCompile(`^Error: |^error: |panicked at|memory allocation of \d+ bytes failed|^# Fatal |Received a fatal error`)

// before is how many lines may stand between a cause and the end that it led to, from
// other tasks and from the other stream.
const before = 20

// lastWords returns the lines in which an end explains itself: the errors of requests
// that failed before are in the log, too, and a signal from outside has nothing to do
// with either.
func lastWords(e Evidence) []string {
	if e.Signal != 0 && !supervise.OwnFault(e.Signal) {
		return nil
	}
	i := newest(e.Lines, endings)
	if i < 0 {
		return nil
	}
	return e.Lines[max(0, i-before):]
}

// readLastLines suits the log, crash.log and the status command alike.
const readLastLines = "read its last lines; crash.log on the data volume keeps 80 of them"

func unexplained(e Evidence) (cause, fix string) {
	switch {
	case e.Signal == syscall.SIGKILL:
		return "something outside the container killed the backend",
			place.Here().FindKiller()
	case supervise.OwnFault(e.Signal):
		return "the backend crashed in native code", "keep crash.log and report it; check that the image fits the machine's processor"
	case e.Signal != 0:
		return "a signal of another process ended the backend", "find out which process sends signals in this container"
	case len(e.Lines) == 0:
		return "the backend ended without having printed a line, which the official one never does: what CONVEX_BACKEND_COMMAND names may be another program",
			OwnCommand()
	case e.Code == 0:
		return "the backend ended by itself without saying why", readLastLines
	}
	return "not known", readLastLines
}

// OwnCommand returns how the image's own backend is started again where another program may
// be in its place.
func OwnCommand() string {
	return "take CONVEX_BACKEND_COMMAND out of " + place.Here().Settings() + " (the image knows its own), then: " + place.Here().Start("convex")
}
