package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// table is a few figures of each contender.
type table struct {
	out io.Writer
	w   *tabwriter.Writer
}

func newTable(out io.Writer, columns ...string) *table {
	t := &table{out: out, w: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	t.row(columns...)
	return t
}

func (t *table) row(cells ...string) { _, _ = fmt.Fprintln(t.w, strings.Join(cells, "\t")) }

func (t *table) end() error {
	if err := t.w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(t.out)
	return err
}

// loadTable has a line for each load and contender, with ours measured by stock
// Caddy. A ratio is the median of those of the rounds: what disturbed a round
// disturbed both. The lines are written as they come.
type loadTable struct{ out io.Writer }

const loadLine = "%-9s %5s  %-11s %8s %9s %9s %9s %10s   %7s %7s %7s\n"

func newLoadTable(out io.Writer) loadTable {
	_, _ = fmt.Fprintf(out, loadLine, "", "", "", "", "", "", "", "", "times", "stock", "Caddy's")
	_, _ = fmt.Fprintf(out, loadLine, "load", "conns", "", "req/s", "p50", "p99", "CPU/req", "memory", "req/s", "p99", "CPU")
	return loadTable{out}
}

func (t loadTable) add(l load, results map[string][]result) {
	for i, name := range contenders {
		first, second := l.protocol+" "+l.answer, strconv.Itoa(l.connections)
		if i > 0 {
			first, second = "", ""
		}
		all, ratios := results[name], [3]string{}
		if name != stock {
			for i, figure := range []func(result) float64{rate, p99, cpu} {
				ratios[i] = fmt.Sprintf("%.2f", ratio(all, results[stock], figure))
			}
		}
		_, _ = fmt.Fprintf(t.out, loadLine, first, second, name,
			fmt.Sprintf("%.0f", median(all, rate)), short(median(all, p50)), short(median(all, p99)), short(median(all, cpu)),
			mebibytes(int64(median(all, memory))), ratios[0], ratios[1], ratios[2])
	}
}

func ratio(these, those []result, figure func(result) float64) float64 {
	var pairs []float64
	for i := range min(len(these), len(those)) {
		pairs = append(pairs, figure(these[i])/figure(those[i]))
	}
	return median(pairs, func(f float64) float64 { return f })
}

func rate(r result) float64   { return r.rate }
func p50(r result) float64    { return float64(r.p50) }
func p99(r result) float64    { return float64(r.p99) }
func cpu(r result) float64    { return float64(r.cpu) }
func memory(r result) float64 { return float64(r.memory) }

func short(nanoseconds float64) string {
	d := time.Duration(nanoseconds)
	if d >= 100*time.Millisecond {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// describeMachine returns what the numbers depend on.
func describeMachine() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		text = []byte("unknown")
	}
	return fmt.Sprintf("%d processors, load average %s; the load generator and the upstream run on the same", runtime.NumCPU(), strings.TrimSpace(string(text)))
}
