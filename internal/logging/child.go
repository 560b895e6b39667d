package logging

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// sink is where a handler writes its lines.
type sink interface {
	io.Writer
	relay(lines []byte)
	later(lines []byte)
}

// newSink makes a sink of any writer.
func newSink(w io.Writer) sink {
	if writer, ok := w.(*Writer); ok {
		return writer
	}
	return &lockedSink{w: w}
}

type lockedSink struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *lockedSink) Write(lines []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(lines)
}

func (s *lockedSink) relay(lines []byte) { _, _ = s.Write(lines) }

func (s *lockedSink) later(lines []byte) { _, _ = s.Write(lines) }

// childFormat appends one line of a child in a log's shape.
type childFormat func(buf []byte, now time.Time, line []byte) []byte

// ChildLines returns a function that logs lines of output as log.Info with the
// attribute child=name does, but many times faster. It must not be called
// concurrently. Bytes that are no UTF-8 become \x followed by two digits.
func ChildLines(log *slog.Logger, name string) func(line []byte) {
	if !log.Enabled(context.Background(), slog.LevelInfo) {
		return func([]byte) {}
	}
	h, ok := log.Handler().(interface {
		childFormat(name string) (childFormat, sink)
	})
	if !ok {
		return slowChildLines(log, name)
	}
	format, out := h.childFormat(name)
	if format == nil {
		return slowChildLines(log, name)
	}
	var buf []byte
	return func(line []byte) {
		buf = format(buf[:0], time.Now(), line)
		out.relay(buf)
	}
}

func slowChildLines(log *slog.Logger, name string) func(line []byte) {
	log = log.With(ChildKey, name)
	return func(line []byte) {
		log.LogAttrs(context.Background(), slog.LevelInfo, string(appendValidUTF8(nil, line)))
	}
}
