package rollout

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// mostLogLines are shown of a container that did not come up; all that it has said is
// in the folder of the failure.
const mostLogLines = 20

// NotReadyError is why a new container was not taken.
type NotReadyError struct {
	Service  string // with its colour
	Cause    string
	Fix      []string
	Failed   []string // the container's own account, from its log
	Lines    []string // the last of its log, where it gave no account
	Health   string   // last word of its health check
	ExitCode int      // of the container, 0 if it never ended
	Deaths   int
	OOM      bool
	After    time.Duration
	Folder   string // where the evidence is

	Otherwise string // of its Change: told whatever the container's own account says

	container engine.Container
	stack     place.Stack // that it is part of
	beside    State       // what else that has
	unread    error       // why its log cannot be read
	report    status.Document
}

func (e *NotReadyError) Error() string {
	return fmt.Sprintf("%s did not become ready: %s", e.Service, e.Cause)
}

// orOOM says so where the container had no memory left.
func (e *NotReadyError) orOOM() *NotReadyError {
	if e.OOM {
		e.Cause += ", out of memory"
		e.Fix = []string{"give the host or the container more memory"}
	}
	return e
}

// code returns the code that the command ends with: 65 for a release that its own
// code or schema refuses.
func (e *NotReadyError) code() int {
	if e.ExitCode == exit.DeployRefused {
		return exit.DeployRefused
	}
	return exit.Failure
}

// Text returns the account for people.
func (e *NotReadyError) Text() string {
	var b strings.Builder
	fmt.Fprintln(&b, e.Error())
	if e.Health != "" {
		fmt.Fprintf(&b, "  health   %s\n", e.Health)
	}
	lines := e.Failed
	if len(lines) == 0 {
		lines = e.Lines
		switch {
		case len(lines) > 0:
			fmt.Fprintln(&b, "  its log ends with")
		case e.unread != nil:
			fmt.Fprintf(&b, "  %v\n", e.unread)
		default:
			fmt.Fprintln(&b, "  it has written no log")
		}
	}
	for _, line := range lines {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	if len(e.Failed) == 0 { // the container's own account knows better
		for _, fix := range e.Fix {
			fmt.Fprintf(&b, "  fix      %s\n", fix)
		}
	}
	if e.Otherwise != "" {
		fmt.Fprintf(&b, "  fix      %s\n", e.Otherwise)
	}
	if e.Folder != "" {
		fmt.Fprintf(&b, "  evidence %s\n", e.Folder)
	}
	words := e.stack
	words.Container = e.named
	return strings.TrimRight(words.ByTale(b.String()), "\n")
}

// named returns the name of a service's container, which is this one or serves beside it.
func (e *NotReadyError) named(service string) string {
	if service == e.container.Service {
		return e.container.Name
	}
	return e.beside.Named(service)
}

// loggedLine is what stands in front of a line of an entrypoint's log, and of one that the
// bundled Postgres was given to write; its further lines are indented.
var loggedLine = regexp.MustCompile(`^(\S+Z (ERROR|WARN |INFO |DEBUG) |\S+ \S+ UTC \[\d+\] LOG:  |\t)`)

// account returns the block with which an entrypoint of ours says why its boot failed,
// the last one of a log.
func account(log []string) (block []string) {
	open := false
	for _, line := range log {
		line = logged(line)
		switch {
		case strings.HasPrefix(line, report.FailedAt):
			block, open = []string{line}, true
		case open && strings.HasPrefix(line, "  "):
			block = append(block, line)
		default:
			open = false
		}
	}
	return block
}

// logged returns a line without its time and level, in either format of the log. Blanks
// in front of the text are the block's.
func logged(line string) string {
	var entry struct{ Msg string }
	if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &entry) == nil && entry.Msg != "" {
		return entry.Msg
	}
	return loggedLine.ReplaceAllString(line, "")
}

// last returns the last lines of a log, without what is empty.
func last(lines []string, most int) []string {
	var kept []string
	for _, line := range lines {
		if strings.TrimSpace(line) != "" {
			kept = append(kept, line)
		}
	}
	return kept[max(0, len(kept)-cmp.Or(most, len(kept))):]
}
