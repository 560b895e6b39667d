package rollout

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report/status"
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

	container engine.Container
	report    status.Document
}

func (e *NotReadyError) Error() string {
	return fmt.Sprintf("%s did not become ready: %s", e.Service, e.Cause)
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
	fmt.Fprintf(&b, "%s, after %s\n", e.Error(), e.After.Round(100*time.Millisecond))
	if e.Health != "" {
		fmt.Fprintf(&b, "  health   %s\n", e.Health)
	}
	lines := e.Failed
	if len(lines) == 0 {
		lines = e.Lines
		if len(lines) > 0 {
			fmt.Fprintf(&b, "  its log ends with\n")
		}
	}
	for _, line := range lines {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	for _, fix := range e.Fix {
		fmt.Fprintf(&b, "  fix      %s\n", fix)
	}
	if e.Folder != "" {
		fmt.Fprintf(&b, "  evidence %s\n", e.Folder)
	}
	return strings.TrimRight(b.String(), "\n")
}

// account returns the block with which an entrypoint of ours says why its boot failed,
// the last one of a log.
func account(lines []string) []string {
	begin := -1
	for i, line := range lines {
		if strings.Contains(line, "FAILED at ") {
			begin = i
		}
	}
	if begin < 0 {
		return nil
	}
	block := []string{lines[begin][strings.Index(lines[begin], "FAILED at "):]}
	for _, line := range lines[begin+1:] {
		if !strings.HasPrefix(line, "  ") {
			break
		}
		block = append(block, line)
	}
	return block
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
