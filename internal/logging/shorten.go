package logging

import (
	"fmt"
	"log/slog"

	"github.com/tale-project/tale-runtime/internal/config"
)

const (
	// longestLine is how long a line of our own may be, in bytes. People who
	// follow a log read lines, and some collectors cut longer ones anywhere. A log of
	// debug level has them whole.
	longestLine = 400
	// lineFrame is about what is in a line besides the texts.
	lineFrame = 80
	// shortText is how long a text is that stays as it is.
	shortText = 24
	// shortenings is how often a line is tried: how much quoting and the frame add is
	// not known before.
	shortenings = 5
)

// shorten takes so much out of the longer texts of a record that its line, of the
// given length, is about as long as it may be.
func shorten(r slog.Record, line int) slog.Record {
	cut := func(text string) string {
		return config.Excerpt(text, max(len(text)*(longestLine-lineFrame)/line, shortText))
	}
	shorter := slog.NewRecord(r.Time, r.Level, cut(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		a.Value = a.Value.Resolve()
		if kind := a.Value.Kind(); kind == slog.KindString || kind == slog.KindAny {
			if text := fmt.Sprint(a.Value.Any()); len(text) > shortText {
				a.Value = slog.StringValue(cut(text))
			}
		}
		shorter.AddAttrs(a)
		return true
	})
	return shorter
}
