package pause_test

import (
	"context"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

func TestFor(t *testing.T) {
	began := time.Now()
	if !pause.For(t.Context(), 20*time.Millisecond) || time.Since(began) < 20*time.Millisecond {
		t.Errorf("over after %s", time.Since(began))
	}
	if !pause.For(t.Context(), 0) || !pause.For(t.Context(), -time.Second) {
		t.Error("nothing to wait for, and not over")
	}
	ended, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if pause.For(ended, time.Hour) {
		t.Error("over an hour early")
	}
	if pause.For(ended, 0) {
		t.Error("over although the context has ended")
	}
}
