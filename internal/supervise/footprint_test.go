package supervise_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestSupervisorIsSmallAndQuiet weighs a supervisor while nothing happens. What the machine
// does beside it makes a period dearer, never cheaper, so that the cheapest of some counts.
func TestSupervisorIsSmallAndQuiet(t *testing.T) {
	t.Parallel()
	const maxResident, maxCores, period, periods = 20 << 20, 0.002, 2 * time.Second, 5
	binary := testkit.BuildWithoutCgo(t, "./testdata/entrypoint")
	p := testkit.Start(t, exec.Command(binary))
	testkit.Eventually(t, "both services are ready", func() bool { return strings.Count(p.Output.String(), "ready") == 2 })
	cores := 1.0
	for i := 0; i < periods && cores > maxCores; i++ {
		before := processorTime(t, p.Pid())
		time.Sleep(period)
		cores = min(cores, (processorTime(t, p.Pid())-before).Seconds()/period.Seconds())
	}
	if cores > maxCores {
		t.Errorf("idle, it takes %.4f of a core; the limit is %.4f", cores, maxCores)
	}
	if resident := procfs.Resident(p.Pid()); resident > maxResident {
		t.Errorf("it has %d KiB resident; the limit is %d", resident>>10, maxResident>>10)
	}
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// processorTime adds up what the scheduler has counted for each thread.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("no threads of %d, %v", pid, err)
	}
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		nanoseconds, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(nanoseconds)
	}
	return sum
}
