package convex

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/boot"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

func TestSecretMask(t *testing.T) {
	postgres := load(t, environ())
	mask := newSecretMask(postgres)
	line := "secret " + secretA.Reveal() + ", url postgresql://tale:p%40ss%2Fw%3Ard%25%3F%23@db:5432, password p@ss/w:rd%?#, nothing else"
	if got := mask.Replace(line); got != "secret [INSTANCE_SECRET], url [POSTGRES_URL], password [DB_PASSWORD], nothing else" {
		t.Errorf("got %q", got)
	}
	short := load(t, environ("DB_PASSWORD", "tale"))
	if got := newSecretMask(short).Replace("tale starts"); got != "tale starts" {
		t.Errorf("a short password makes the log unreadable: %q", got)
	}
}

// One line of the backend is relayed, kept in the tail and written to the file.
func BenchmarkBackendLine(b *testing.B) {
	s := &Settings{}
	if err := config.Load(s, environ("TALE_RUN_DIR", b.TempDir(), "TALE_CONFIG_DIR", b.TempDir())); err != nil {
		b.Fatal(err)
	}
	service := newBoot(s, boot.Process{Log: logging.New(io.Discard, logging.FormatConsole, slog.LevelInfo), Environ: environ()})
	file, err := openBoundedLog(b.TempDir()+"/backend.log", backendLogLimit, backendLogKeep)
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
