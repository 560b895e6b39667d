package supervise_test

import (
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// floodBytes is what a child of the benchmark writes in one go.
const floodBytes = 50 << 20

// BenchmarkChildOutput relays the output of a child to a log that another
// process reads. The metric to look at is cores: how much of a core it takes
// at 50 MB/s. It must stay below one.
func BenchmarkChildOutput(b *testing.B) {
	line := strings.Repeat("an ordinary line of a server log ", 3)
	for _, format := range []string{logging.FormatConsole, logging.FormatJSON} {
		b.Run(format, func(b *testing.B) {
			reader := exec.Command("cat")
			sink, err := reader.StdinPipe()
			if err != nil {
				b.Fatal(err)
			}
			if err := reader.Start(); err != nil {
				b.Fatal(err)
			}
			log := logging.New(logging.NewWriter(sink), format, slog.LevelInfo)
			b.SetBytes(floodBytes)
			before := cpuTime()
			for b.Loop() {
				status, err := supervise.Run(b.Context(), log, shell(fmt.Sprintf("yes %q | head -c %d", line, floodBytes)))
				if err != nil || !status.Success() {
					b.Fatal(status, err)
				}
			}
			b.ReportMetric((cpuTime()-before).Seconds()/float64(b.N), "cores")
			_ = sink.Close()
			_ = reader.Wait()
		})
	}
}

// cpuTime returns the processor time of this process alone.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
