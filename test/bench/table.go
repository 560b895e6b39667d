package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// table collects the results.
type table struct{ rows []row }

type row struct {
	contender, step string
	sample
	writes int
}

func (t *table) add(contender, step string, s sample, writes int) {
	t.rows = append(t.rows, row{contender, step, s, writes})
}

// write prints all rows, with the classic sequence as the measure of the others.
func (t *table) write(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "\tstep\twall\tclassic is\tCPU\tpeak memory\tprocesses\twrites\t")
	for _, r := range t.rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d MiB\t%d\t%d\t\n", r.contender, r.step, seconds(r.Wall), t.times(r), seconds(r.CPU), r.Memory>>20, r.starts, r.writes)
	}
	_ = w.Flush()
}

// times says how many times as long the classic sequence took for the same step.
func (t *table) times(r row) string {
	for _, classic := range t.rows {
		if classic.contender == "classic" && classic.step == r.step && r.contender != "classic" && !strings.Contains(r.contender, "MB") {
			return fmt.Sprintf("%.1f times", classic.Wall.Seconds()/r.Wall.Seconds())
		}
	}
	return ""
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// describeMachine returns what the numbers depend on.
func describeMachine() string {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		load = []byte("unknown")
	}
	return fmt.Sprintf("%d processors, load average %s", runtime.NumCPU(), strings.TrimSpace(string(load)))
}
