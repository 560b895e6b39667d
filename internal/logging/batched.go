package logging

import (
	"context"
	"log/slog"
)

// Batched returns a logger like log for lines that come by the thousand, such
// as those of an access log: they are written together with others, at most a
// tenth of a second late. The order of lines stays, so whatever log itself
// writes has all batched lines before it written, too. A process that is killed
// loses those of its last tenth of a second. They are not shortened.
//
// Only a logger on a Writer, without attributes of its own, has batches; others
// are returned as they are. So is one that does not log info: it has few lines,
// and none at the end of a process to bring the batched ones out.
func Batched(log *slog.Logger) *slog.Logger {
	if !log.Enabled(context.Background(), slog.LevelInfo) {
		return log
	}
	if h, ok := log.Handler().(interface{ batched() slog.Handler }); ok {
		return slog.New(h.batched())
	}
	return log
}

// batchedSink is a sink whose lines may come later.
type batchedSink struct{ sink }

func (s batchedSink) Write(lines []byte) (int, error) {
	s.later(lines)
	return len(lines), nil
}

func (h *consoleHandler) batched() slog.Handler {
	next := *h
	next.out, next.whole = batchedSink{h.out}, true
	return &next
}

func (h *jsonHandler) batched() slog.Handler {
	if !h.plain {
		return h
	}
	next := newJSONHandler(batchedSink{h.gate.out}, h.gate.level)
	next.gate.whole = true
	return next
}
