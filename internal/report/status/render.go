package status

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
)

// Sections are how the sections of a service's report look to people, by name.
type Sections map[string]func(*View, report.Document) error

// Render writes the document for people. Sections that it does not know are left
// out.
func Render(w io.Writer, d Document, color bool, sections Sections) error {
	v := &View{paint: painter(color), now: time.Now()}
	v.head(d)
	v.stages(d.Stages)
	for _, name := range d.Sections() {
		if write := sections[name]; write != nil {
			if err := write(v, d.Document); err != nil {
				return err
			}
		}
	}
	v.children(d.Children)
	v.failure(d)
	_, err := io.WriteString(w, v.text.String())
	return err
}

// View is a text that grows, for a reader at a terminal.
type View struct {
	paint painter
	now   time.Time
	text  strings.Builder
}

// Linef adds a line.
func (v *View) Linef(format string, args ...any) { fmt.Fprintf(&v.text, format+"\n", args...) }

func (v *View) head(d Document) {
	state := v.paint.state(d.State)
	if d.Gone {
		state = v.paint.red("not running") + ", was " + string(d.State)
	}
	if d.Reason != "" {
		state += " (" + d.Reason + ")"
	}
	since := "up since"
	if d.Gone {
		since = "started"
	}
	v.Linef("%s %s  %s  %s %s (%s)", v.paint.bold(d.Service), d.Version, state, since,
		d.Started.UTC().Format("2006-01-02 15:04:05Z"), Short(v.now.Sub(d.Started)))
}

// Table adds rows whose columns are aligned.
func (v *View) Table(rows [][]string) {
	table := tabwriter.NewWriter(&v.text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		// Writing to a strings.Builder cannot fail.
		_, _ = fmt.Fprintln(table, strings.TrimRight("  "+strings.Join(row, "\t"), "\t "))
	}
	_ = table.Flush()
}

func (v *View) stages(stages []report.Stage) {
	var rows [][]string
	for _, s := range stages {
		took := Short(time.Duration(s.DurationMS) * time.Millisecond)
		if s.State == report.Running && s.Started != nil {
			took = Short(v.now.Sub(*s.Started))
		}
		if s.State == report.Pending || s.State == report.Skipped {
			took = "-"
		}
		detail := s.Detail
		if s.Attempts > 1 {
			detail = strings.TrimSpace(fmt.Sprintf("%s [%d attempts]", detail, s.Attempts))
		}
		rows = append(rows, []string{v.Mark(s.State), s.Name, took, string(s.State), detail})
	}
	v.Table(rows)
}

// Mark returns the sign for a state.
func (v *View) Mark(state report.State) string { return v.paint.mark(state) }

// Since returns how long ago a moment was.
func (v *View) Since(moment time.Time) time.Duration { return v.now.Sub(moment) }

func (v *View) children(children []Child) {
	if len(children) == 0 {
		return
	}
	rows := [][]string{{"child", "state", "pid", "uptime", "restarts", "memory", "last exit"}}
	for _, c := range children {
		pid, uptime := "-", "-"
		if c.Pid != 0 {
			pid, uptime = fmt.Sprint(c.Pid), Short(v.now.Sub(c.Started))
		}
		rows = append(rows, []string{c.Name, c.State, pid, uptime, fmt.Sprint(c.Restarts), Size(c.RSS), c.LastExit})
	}
	v.Table(rows)
}

func (v *View) failure(d Document) {
	if d.Failure != nil {
		v.Linef("%s", v.paint.red(d.Failure.Text()))
	}
	if d.Crash != "" {
		v.Linef("last crash\n%s", d.Crash)
	}
}

// Short rounds a duration to what a reader needs.
func Short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// Size returns a number of bytes in the unit that suits it.
func Size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	default:
		return fmt.Sprintf("%d B", n)
	}
}
