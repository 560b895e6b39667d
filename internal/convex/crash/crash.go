package crash

import (
	"strings"
	"syscall"
	"time"
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
	Ended    string         // exit code or signal, as text
	Signal   syscall.Signal // 0 when it ended by itself
	Code     int
	OOMKills int // by the kernel in this container, while the backend ran
	Lines    []string
}

// Read explains the end of a backend.
func Read(at time.Time, uptime time.Duration, e Evidence) Crash {
	crash := Crash{
		Time: at.UTC().Truncate(time.Millisecond), Ended: e.Ended,
		Uptime: uptime.Round(time.Millisecond).String(), Log: e.Lines,
	}
	for _, cause := range causes() {
		if proof := cause.seen(e); proof != "" {
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

// readLastLines suits the log, crash.log and the status command alike.
const readLastLines = "read its last lines; crash.log on the data volume keeps 80 of them"

func unexplained(e Evidence) (cause, fix string) {
	switch {
	case e.Signal == syscall.SIGKILL:
		return "something outside the container killed the backend",
			"look at the host's kernel log for an out-of-memory kill, and for processes that may send signals here"
	case e.Signal == syscall.SIGSEGV, e.Signal == syscall.SIGBUS, e.Signal == syscall.SIGILL, e.Signal == syscall.SIGABRT:
		return "the backend crashed in native code", "keep crash.log and report it; check that the image fits the machine's processor"
	case e.Signal != 0:
		return "a signal of another process ended the backend", "find out which process sends signals in this container"
	case e.Code == 0:
		return "the backend ended by itself without saying why", readLastLines
	}
	return "not known", readLastLines
}
