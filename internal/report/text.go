package report

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// terminationLog is where Kubernetes reads why a container has ended.
const terminationLog = "/dev/termination-log"

// terminationLogLimit is what Kubernetes keeps of a termination message, in bytes.
const terminationLogLimit = 4096

// longestLine is where a line goes on in the next one, in bytes, so that the log has
// no line above 400.
const longestLine = 340

// Text returns the failure for people, at most 25 lines: what was said, why, what the
// child printed last, what to do, what has changed, and whether it is retried.
func (f Failure) Text() string {
	var b strings.Builder
	b.WriteString(FailedAt + f.Stage)
	if f.Code != "" {
		fmt.Fprintf(&b, ": %s", f.Code)
	}
	if f.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", f.Status)
	}
	if f.Driver != "" {
		fmt.Fprintf(&b, ", %s driver", f.Driver)
	}
	b.WriteString("\n")
	writeLines(&b, "said", f.Message, f.messageLines())
	writeLines(&b, "cause", f.Cause, 2)
	writeLines(&b, "printed", strings.Join(lastLines(f.Evidence, 5), "\n"), 5)
	writeLines(&b, "fix", strings.Join(f.Fix, "\n"), 6)
	writeLines(&b, "changed", strings.Join(f.Changed, "\n"), 4)
	writeLines(&b, "retry", f.retryText(), 1)
	return strings.TrimRight(b.String(), "\n")
}

// FailedAt begins every text of a failure.
const FailedAt = "FAILED at "

// longestPart is how long each half of Line gets, in bytes: what shows a health check
// cuts off what is longer.
const longestPart = 220

// Line returns the failure in one line: where, what was said, the first thing to do.
func (f Failure) Line() string {
	said := strings.Join(strings.Fields(f.Message), " ")
	if f.Code != "" {
		said = f.Code + ": " + said
	}
	line := FailedAt + f.Stage + ": " + config.Excerpt(said, longestPart)
	if len(f.Fix) > 0 {
		line += "; fix: " + config.Excerpt(f.Fix[0], longestPart)
	}
	return line
}

func lastLines(lines []string, most int) []string {
	return lines[max(0, len(lines)-most):]
}

// messageLines returns how many lines of the message are shown. A configuration is
// corrected in one go only by who sees all its problems.
func (f Failure) messageLines() int {
	if f.ExitCode == exit.Config {
		return 60
	}
	return 6
}

func (f Failure) retryText() string {
	text := "no, the same input fails the same way"
	switch {
	case f.NextAttempt != nil:
		text = "at " + f.NextAttempt.UTC().Format(time.TimeOnly) + " UTC"
	case f.Retryable:
		text = "no more in this run; it may pass when the container starts again"
	}
	var facts []string
	if f.Attempts > 0 {
		facts = append(facts, fmt.Sprintf("attempts %d", f.Attempts))
	}
	if f.Attempts > 0 && f.MaxAttempts > 0 {
		facts[0] += fmt.Sprintf(" of %d", f.MaxAttempts)
	}
	if f.ElapsedMS > 0 {
		facts = append(facts, "elapsed "+rounded(time.Duration(f.ElapsedMS)*time.Millisecond))
	}
	if f.ExitCode != 0 {
		facts = append(facts, fmt.Sprintf("exit code %d", f.ExitCode))
	}
	if len(facts) > 0 {
		text += " (" + strings.Join(facts, ", ") + ")"
	}
	return text
}

func rounded(d time.Duration) string {
	if d < time.Second {
		return d.String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// writeLines writes a labelled text, cut to a number of lines.
func writeLines(b *strings.Builder, label, text string, most int) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, wrap(line)...)
	}
	if len(lines) > most {
		lines = append(lines[:most-1], fmt.Sprintf("… %d more lines in the boot report", len(lines)-most+1))
	}
	for i, line := range lines {
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(b, "  %-8s %s\n", label, line)
	}
}

// wrap returns a line as one or two, parted at a blank where there is one. What is
// longer than two is cut off: an endless line must not hide cause and fix.
func wrap(line string) (lines []string) {
	for len(line) > longestLine {
		if len(lines) > 0 {
			return append(lines, strings.ToValidUTF8(line[:longestLine], "")+"…")
		}
		end := strings.LastIndexByte(line[:longestLine], ' ')
		if end < longestLine/2 {
			end = longestLine
			for end > longestLine-utf8.UTFMax && !utf8.RuneStart(line[end]) {
				end--
			}
		}
		lines, line = append(lines, line[:end]), "  "+strings.TrimPrefix(line[end:], " ")
	}
	return append(lines, line)
}

// Log writes the failure where the reader of a container that has ended looks: the
// termination log and, last, its log.
func (f Failure) Log(log *slog.Logger) {
	if err := WriteTerminationLog(terminationLog, f); err != nil {
		log.Warn("the failure is not in the termination log", "error", err)
	}
	for line := range strings.Lines(f.Text()) {
		log.Error(strings.TrimRight(line, "\n"))
	}
}

// WriteTerminationLog puts the failure where an orchestrator looks for the
// reason of a container's death, if that file exists.
func WriteTerminationLog(path string, f Failure) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot write the termination log: %w", err)
	}
	text := f.Text() + "\n"
	if len(text) > terminationLogLimit {
		text = strings.ToValidUTF8(text[:terminationLogLimit-1], "") + "\n"
	}
	if _, err := file.WriteString(text); err != nil {
		_ = file.Close()
		return fmt.Errorf("cannot write the termination log: %w", err)
	}
	return file.Close()
}
