package status

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
)

const barWidth = 24

// Render writes the document for people.
func Render(w io.Writer, d Document, color bool) error {
	v := &view{paint: painter(color), now: time.Now()}
	v.head(d)
	v.stages(d.Stages)
	v.env(d.Env)
	v.deploy(d.Deploy)
	v.children(d.Children)
	v.failure(d)
	_, err := io.WriteString(w, v.text.String())
	return err
}

type view struct {
	paint painter
	now   time.Time
	text  strings.Builder
}

func (v *view) linef(format string, args ...any) { fmt.Fprintf(&v.text, format+"\n", args...) }

func (v *view) head(d Document) {
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
	v.linef("%s %s  %s  %s %s (%s)", v.paint.bold(d.Service), d.Version, state, since,
		d.Started.UTC().Format("2006-01-02 15:04:05Z"), short(v.now.Sub(d.Started)))
}

func (v *view) table(rows [][]string) {
	table := tabwriter.NewWriter(&v.text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		// Writing to a strings.Builder cannot fail.
		_, _ = fmt.Fprintln(table, strings.TrimRight("  "+strings.Join(row, "\t"), "\t "))
	}
	_ = table.Flush()
}

func (v *view) stages(stages []report.Stage) {
	var rows [][]string
	for _, s := range stages {
		took := short(time.Duration(s.DurationMS) * time.Millisecond)
		if s.State == report.Running && s.Started != nil {
			took = short(v.now.Sub(*s.Started))
		}
		if s.State == report.Pending || s.State == report.Skipped {
			took = "-"
		}
		detail := s.Detail
		if s.Attempts > 1 {
			detail = strings.TrimSpace(fmt.Sprintf("%s [%d attempts]", detail, s.Attempts))
		}
		rows = append(rows, []string{v.paint.mark(s.State), s.Name, took, string(s.State), detail})
	}
	v.table(rows)
}

func (v *view) env(env *report.EnvSync) {
	if env == nil {
		return
	}
	v.linef("variables  %d of %d set: %d new, %d updated, %d unchanged, %d removed; %d of the operator's own",
		env.Present, env.Declared, env.New, env.Updated, env.Unchanged, env.Removed, env.Foreign)
	for _, name := range env.Drift {
		v.linef("  drift    %s was changed in the deployment", name)
	}
	for _, warning := range env.Warnings {
		v.linef("  warning  %s", warning)
	}
}

func (v *view) deploy(deploy *report.Deploy) {
	if deploy == nil {
		return
	}
	if deploy.Skipped != "" {
		v.linef("deploy     nothing to push: %s", deploy.Skipped)
		return
	}
	v.linef("deploy     driver %s, attempts %d, %s", deploy.Driver, deploy.Attempts, deploy.Sent())
	var rows [][]string
	for _, s := range deploy.Stages {
		rows = append(rows, v.pushStage(s))
	}
	v.table(rows)
	if i := deploy.Indexes; i != nil && i.Total > 0 {
		v.linef("  indexes  %s %d of %d", bar(i.Complete, i.Total), i.Complete, i.Total)
	}
	if a := deploy.After; a != nil {
		v.linef("  after    %s in %s %s", a.Function, short(time.Duration(a.DurationMS)*time.Millisecond), a.Error)
	}
}

// pushStage tells of a stage that runs only what is known before its first
// answer: how long it has been running.
func (v *view) pushStage(s report.PushStage) []string {
	took := time.Duration(s.DurationMS) * time.Millisecond
	sent, received := size(s.BytesSent)+" sent", size(s.BytesReceived)+" received"
	if s.State == report.Running {
		if s.Started != nil {
			took = v.now.Sub(*s.Started)
		}
		if s.BytesSent == 0 && s.BytesReceived == 0 {
			sent, received = "no answer yet", ""
		}
	}
	return []string{v.paint.mark(s.State), s.Name, short(took), sent, received}
}

func (v *view) children(children []Child) {
	if len(children) == 0 {
		return
	}
	rows := [][]string{{"child", "state", "pid", "uptime", "restarts", "memory", "last exit"}}
	for _, c := range children {
		pid, uptime := "-", "-"
		if c.Pid != 0 {
			pid, uptime = fmt.Sprint(c.Pid), short(v.now.Sub(c.Started))
		}
		rows = append(rows, []string{c.Name, c.State, pid, uptime, fmt.Sprint(c.Restarts), size(c.RSS), c.LastExit})
	}
	v.table(rows)
}

func (v *view) failure(d Document) {
	if d.Failure != nil {
		v.linef("%s", v.paint.red(d.Failure.Text()))
	}
	if d.Crash != "" {
		v.linef("last crash\n%s", d.Crash)
	}
}

func bar(done, total int) string {
	filled := barWidth * min(max(done, 0), total) / total
	return "[" + strings.Repeat("█", filled) + strings.Repeat("·", barWidth-filled) + "]"
}

func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	default:
		return fmt.Sprintf("%d B", n)
	}
}
