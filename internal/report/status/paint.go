package status

import "github.com/tale-project/tale-runtime/internal/report"

// painter colours text, if it is true.
type painter bool

func (p painter) wrap(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p painter) bold(text string) string { return p.wrap("1", text) }
func (p painter) red(text string) string  { return p.wrap("31", text) }

func (p painter) state(s report.State) string { return p.wrap(stateColor(s), string(s)) }

func (p painter) mark(s report.State) string {
	marks := map[report.State]string{report.Done: "✔", report.Failed: "✖", report.Running: "▶", report.Skipped: "↷", report.Ready: "✔"}
	mark := marks[s]
	if mark == "" {
		mark = "·"
	}
	return p.wrap(stateColor(s), mark)
}

func stateColor(s report.State) string {
	switch s {
	case report.Done, report.Ready:
		return "32"
	case report.Failed:
		return "31"
	case report.Running, report.Draining:
		return "33"
	default:
		return "2"
	}
}
