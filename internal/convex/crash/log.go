package crash

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/convex/volume"
)

const (
	logName = "crash.log"
	// The log is cut at logLimit, and its last logKeep bytes stay.
	logLimit = 1 << 20
	logKeep  = 1 << 18
)

// Text returns the crash as crash.log and the status command show it: one line at
// the margin, everything else indented.
func (c Crash) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s backend ended: %s, after %s\n", c.Time.Format(time.RFC3339), c.Ended, c.Uptime)
	fmt.Fprintf(&b, "  cause     %s\n", c.Cause)
	if c.Evidence != "" {
		fmt.Fprintf(&b, "  evidence  %s\n", c.Evidence)
	}
	fmt.Fprintf(&b, "  fix       %s\n", c.Fix)
	if len(c.Log) > 0 {
		b.WriteString("  last lines\n")
	}
	for _, line := range c.Log {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	return b.String()
}

// Append adds a crash to the log in a folder of the volume, which outlives the
// container.
func Append(folder string, crash Crash) error {
	log, err := volume.OpenLog(filepath.Join(folder, logName), logLimit, logKeep)
	if err != nil {
		return err
	}
	if err := log.WriteLine(strings.TrimSuffix(crash.Text(), "\n")); err != nil {
		_ = log.Close()
		return err
	}
	return log.Close()
}

// Last returns the newest entry of the log in a folder, or "".
func Last(folder string) string {
	file, err := os.Open(filepath.Join(folder, logName))
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	const most = tailLines*tailLineMax + 64<<10 // one entry is never longer
	start := max(0, info.Size()-most)
	data, err := io.ReadAll(io.NewSectionReader(file, start, most))
	if err != nil {
		return ""
	}
	// A power cut leaves NUL bytes where text had not reached the disk.
	text := strings.ReplaceAll(string(data), "\x00", "")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i] != "" && lines[i][0] != ' ' {
			return strings.Join(lines[i:], "\n")
		}
	}
	return ""
}
