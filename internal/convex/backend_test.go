package convex

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// One line of the backend is relayed, kept in the tail and written to the file.
func BenchmarkBackendLine(b *testing.B) {
	s := &Settings{}
	if err := config.Load(s, environ("TALE_RUN_DIR", b.TempDir(), "TALE_CONFIG_DIR", b.TempDir())); err != nil {
		b.Fatal(err)
	}
	service := newBoot(s, entrypoint.Invocation{Log: logging.New(io.Discard, logging.FormatConsole, slog.LevelInfo), Environ: environ()})
	file, err := volume.OpenLog(b.TempDir()+"/backend.log", backendLogLimit, backendLogKeep)
	if err != nil {
		b.Fatal(err)
	}
	service.backend.file = file
	defer service.backend.close()
	line := []byte(strings.Repeat("x", 99))
	b.SetBytes(int64(len(line) + 1))
	for b.Loop() {
		service.backend.line(supervise.Stdout, line)
	}
}
