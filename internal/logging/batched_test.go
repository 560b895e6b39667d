package logging

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestFullBatchDoesNotWait(t *testing.T) {
	written := make(chan []byte, 100)
	w := NewWriter(writerFunc(func(p []byte) { written <- p }))
	w.mu.Lock()
	w.waiting = true // for a time that does not end
	w.mu.Unlock()
	w.batch.Stop()
	log := Batched(New(w, FormatConsole, slog.LevelInfo))
	for range writerBatch/1000 + 1 {
		log.Info(strings.Repeat("x", 1000))
	}
	select {
	case <-written:
	case <-time.After(10 * time.Second):
		t.Error("a full batch was not written")
	}
}

// A process that logs warnings says nothing at its end.
func TestLoggerOfWarningsHasNoBatches(t *testing.T) {
	for level, batches := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: true, slog.LevelWarn: false} {
		log := New(NewWriter(writerFunc(func([]byte) {})), FormatConsole, level)
		if got := Batched(log) != log; got != batches {
			t.Errorf("%v: batches %v", level, got)
		}
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }
