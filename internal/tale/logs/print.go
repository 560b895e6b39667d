package logs

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// Style is how lines are shown.
type Style struct {
	JSON   bool // a document a line
	Paint  bool // services in colours
	Colour bool // there are services of both colours
}

// Printer returns what shows the lines that are wanted: JSON, or with the service before
// each.
func (o Options) Printer(out io.Writer, style Style) func(Line) error {
	if style.JSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		return func(line Line) error { return encoder.Encode(line) }
	}
	width := 0
	for _, service := range stack.Services() {
		if len(o.Services) > 0 && !slices.Contains(o.Services, service.Name) {
			continue
		}
		name := service.Name
		if service.Rotates && style.Colour {
			name = stack.Coloured(name, stack.Green)
		}
		width = max(width, len(name))
	}
	return func(line Line) error {
		name := fmt.Sprintf("%-*s |", width, stack.Coloured(line.Service, line.Colour))
		if style.Paint {
			name = "\x1b[" + paint(line) + "m" + name + "\x1b[0m"
		}
		_, err := fmt.Fprintf(out, "%s %s\n", name, line.Text)
		return err
	}
}

// paint returns the colour of a colour, or one of the service's own.
func paint(line Line) string {
	switch line.Colour {
	case stack.Blue:
		return "34"
	case stack.Green:
		return "32"
	}
	i := slices.IndexFunc(stack.Services(), func(s stack.Service) bool { return s.Name == line.Service })
	return []string{"33", "35", "36", "31", "93", "95"}[max(0, i)%6]
}
