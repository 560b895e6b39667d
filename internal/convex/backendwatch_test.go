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

func TestSecretMask(t *testing.T) {
	mask := newSecretMask(load(t, environ()), config.Environ{"SOPS_AGE_KEY": "AGE-SECRET-KEY-1CANARY", "SOPS_AGE_KEY_FILE": "/run/secrets/age"})[supervise.Stdout]
	for line, want := range map[string]string{
		"secret " + secretA.Reveal() + ", password p@ss/w:rd%?#.":        "secret [INSTANCE_SECRET], password [DB_PASSWORD].",
		"url postgresql://tale:p%40ss%2Fw%3Ard%25%3F%23@db:5432":         "url [POSTGRES_URL]",
		"url postgres://tale:p%40ss%2fw%3ard%25%3f%23@db:5432/x":         "url postgres://tale:[redacted]@db:5432/x",
		`{"url":"postgresql:\/\/tale:p%40ss%2Fw%3Ard%25%3F%23@db:5432"}`: `{"url":"[POSTGRES_URL]"}`,
		"key AGE-SECRET-KEY-1CANARY of /run/secrets/age":                 "key [SOPS_AGE_KEY] of /run/secrets/age",
	} {
		if got := mask(line); got != want {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
	short := newSecretMask(load(t, environ("DB_PASSWORD", "tale")), nil)[supervise.Stdout]
	if got := short("tale starts"); got != "tale starts" {
		t.Errorf("a short password makes the log unreadable: %q", got)
	}
}

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
