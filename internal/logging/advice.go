package logging

import (
	"log/slog"

	"github.com/tale-project/tale-runtime/internal/place"
)

// advised returns the record with what to do, its attributes fix and ask, in the words of the
// place.
func advised(r slog.Record) slog.Record {
	found := false
	r.Attrs(func(a slog.Attr) bool {
		found = isAdvice(a)
		return !found
	})
	if !found {
		return r
	}
	said := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if isAdvice(a) {
			a = slog.String(a.Key, place.Say(a.Value.String()))
		}
		said.AddAttrs(a)
		return true
	})
	return said
}

func isAdvice(a slog.Attr) bool {
	return (a.Key == "fix" || a.Key == "ask") && a.Value.Kind() == slog.KindString
}
