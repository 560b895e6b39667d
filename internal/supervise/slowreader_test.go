package supervise_test

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// The child writes many times what fits into the pipe and the buffer, to a log
// that nobody reads.
func TestSlowReaderNeverBlocksAChildForGood(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	log := logging.New(logging.NewWriter(write), logging.FormatConsole, slog.LevelInfo)
	began := time.Now()
	status, err := supervise.Run(timeout(t), log, shell(`yes "a line of text" | head -c 8000000; echo done`))
	if took := time.Since(began); err != nil || !status.Success() || took > 10*time.Second {
		t.Fatalf("got %v, %v after %v", status, err, took)
	}
	// Somebody reads again, and something more is logged then.
	out := &testkit.Buffer{}
	go func() { _, _ = io.Copy(out, read) }()
	log.Info("our own line")
	testkit.Eventually(t, "what was dropped is told", func() bool { return strings.Contains(out.String(), "log lines dropped") })
	all := []byte(out.String())
	if lines := bytes.Count(all, []byte("shell | a line of text\n")); lines < 1000 || !strings.HasPrefix(string(all), "20") {
		t.Errorf("only %d lines were kept", lines)
	}
}
