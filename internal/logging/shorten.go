package logging

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/tale-project/tale-runtime/internal/config"
)

const (
	// longestLine is how long a line of our own may be, in bytes. People who
	// follow a log read lines, and some collectors cut longer ones anywhere. A log of
	// debug level has them whole.
	longestLine = 400
	// shortText is how long a text is that stays as it is.
	shortText = 24
	// shortenings is how often a line is tried: how much quoting adds is not known before.
	shortenings = 5
	// margin is taken out besides, so that a few tries suffice.
	margin = 8
)

// shorten takes so much out of the longest texts of a record that its line, of the
// given length, is about as long as it may be: a short reason stays whole beside a long fix.
func shorten(r slog.Record, line int) slog.Record {
	lengths, all := []int{len(r.Message)}, len(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		text, _ := textOf(a)
		lengths, all = append(lengths, len(text)), all+len(text)
		return true
	})
	// Part of what is too much is quoting, and goes with the text.
	most := max(longest(lengths, all-(line-longestLine)*all/line-margin), shortText)
	shorter := slog.NewRecord(r.Time, r.Level, config.Excerpt(r.Message, most), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if text, ok := textOf(a); ok && len(text) > most {
			a.Value = slog.StringValue(config.Excerpt(text, most))
		}
		shorter.AddAttrs(a)
		return true
	})
	return shorter
}

// textOf returns the text of an attribute, and false for what is none: a number, say.
func textOf(a slog.Attr) (string, bool) {
	value := a.Value.Resolve()
	if kind := value.Kind(); kind != slog.KindString && kind != slog.KindAny {
		return "", false
	}
	return fmt.Sprint(value.Any()), true
}

// longest returns how long each of some texts may be for all to have so many bytes.
func longest(lengths []int, all int) int {
	slices.Sort(lengths)
	for i, length := range lengths {
		if share := all / (len(lengths) - i); length > share {
			return share
		}
		all -= length
	}
	return all
}
