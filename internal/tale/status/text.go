package status

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// Text returns the document for people, with colours if paint says so.
func (d Document) Text(paint bool) string {
	t := &text{paint: paint}
	t.line("%s  %s", d.Project, t.condition(d.Condition))
	for _, reason := range d.Reasons {
		t.line("  %s", reason)
	}
	d.serving(t)
	d.table(t)
	for _, s := range d.Services {
		if s.Would != "" {
			t.line("drift     a deploy would %s %s: %s", s.Would, s.Service, strings.Join(s.Drift, "; "))
		}
	}
	if d.Drift != "" {
		t.line("drift     cannot be seen: %s", strings.ReplaceAll(d.Drift, "\n", "\n          "))
	}
	for _, l := range d.Leftovers {
		t.line("left      %s, version %s, %s; %s", l.Container, cmp.Or(l.Version, "unknown"), l.State, l.Then)
	}
	if len(d.Development) > 0 {
		t.line("dev       the development stack is there too: %s", d.development())
	}
	if d.Lock != nil {
		t.line("lock      held by %s", d.Lock)
	}
	if d.Disk != nil {
		t.line("disk      %s free of %s", humanize.IBytes(uint64(d.Disk.Free)), humanize.IBytes(uint64(d.Disk.Total)))
	}
	if d.Unread != "" {
		t.line("history   %s", d.Unread)
	}
	for _, e := range d.Deploys {
		result := e.Result
		if e.Code != 0 {
			result = fmt.Sprintf("%s (exit %d)", result, e.Code)
		}
		by := ""
		if e.User != "" { // of what was found serving nobody knows
			by = " by " + e.User
		}
		t.line("%-9s %s  %s  %s  %s%s", what(e), e.Time.Local().Format("2006-01-02 15:04"), e.Release, result, e.Command, by)
	}
	return t.String()
}

// what returns the name of the command that an entry is of.
func what(e project.Entry) string {
	if words := strings.Fields(e.Command); len(words) > 1 && words[0] == "tale" {
		return words[1]
	}
	return "deploy" // of another tool
}

func (d Document) serving(t *text) {
	switch s := d.Serving; {
	case d.Condition == Down:
	case s.Known && s.Since != nil:
		t.line("serving   %s since %s (%s)  %s", strings.TrimSpace("version "+s.Version+" "+s.Colour), s.Since.Local().Format("2006-01-02 15:04:05"), d.age(*s.Since), s.URL)
	case s.Version != "":
		t.line("serving   %s, as far as can be seen: %s", strings.TrimSpace("version "+s.Version+" "+s.Colour), cmp.Or(s.Why, "the proxy does not know it"))
	}
}

func (d Document) development() string {
	running := 0
	for _, l := range d.Development {
		if !strings.HasPrefix(l.State, "exited") && l.State != "created" {
			running++
		}
	}
	return fmt.Sprintf("%d of %s running; `tale stop --dev` stops it", running, english.Plural(len(d.Development), "container", ""))
}

func (d Document) table(t *text) {
	rows := [][]string{{"SERVICE", "COLOUR", "VERSION", "IMAGE", "STATE", "UP", "RESTARTS"}}
	var memory bool
	for _, s := range d.Services {
		memory = memory || s.Memory > 0
	}
	if memory {
		rows[0] = append(rows[0], "MEMORY")
	}
	rows[0] = append(rows[0], "WHY")
	for _, s := range d.Services {
		up := "-"
		if s.Started != nil {
			up = d.age(*s.Started)
		}
		row := []string{s.Service, cmp.Or(s.Colour, "-"), cmp.Or(s.Version, "-"), short(s.ImageID), s.State, up, fmt.Sprint(s.Restarts)}
		if memory {
			row = append(row, humanize.IBytes(uint64(s.Memory)))
		}
		rows = append(rows, append(row, s.Reason))
	}
	t.table(rows)
}

func (d Document) age(since time.Time) string {
	age := max(0, d.Time.Sub(since))
	switch {
	case age < time.Minute:
		return fmt.Sprintf("%ds", int(age.Seconds()))
	case age < time.Hour:
		return fmt.Sprintf("%dm", int(age.Minutes()))
	case age < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(age.Hours()), int(age.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(age.Hours())/24)
}

func short(imageID string) string {
	_, hex, _ := strings.Cut(imageID, ":")
	return cmp.Or(hex[:min(12, len(hex))], "-")
}

// text is what is printed.
type text struct {
	strings.Builder
	paint bool
}

func (t *text) line(format string, args ...any) {
	t.WriteString(fmt.Sprintf(format, args...) + "\n")
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
)

var paints = map[string]string{
	string(Up): green, string(Degraded): yellow, string(Down): red, "healthy": green, "starting": yellow, "unhealthy": red,
	"exited": red, "restarting": red, "dead": red, "paused": yellow, missing: red, stack.Blue: blue, stack.Green: green,
}

func (t *text) condition(c Condition) string { return t.painted(string(c)) }

func (t *text) painted(word string) string {
	code, known := paints[word]
	if !t.paint || !known {
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}

// table aligns the columns by what is seen of them.
func (t *text) table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(t.painted(cell) + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		t.line("%s", strings.TrimRight(line.String(), " "))
	}
}
