package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
)

// line logs once and returns the line without its time.
func line(t *testing.T, log func(*slog.Logger)) string {
	t.Helper()
	var out bytes.Buffer
	log(logging.New(&out, logging.FormatConsole, slog.LevelInfo))
	text := strings.TrimSuffix(out.String(), "\n")
	if strings.Contains(text, "\n") {
		t.Fatalf("more than one line: %q", text)
	}
	_, rest, _ := strings.Cut(text, " ")
	return rest
}

func TestConsole(t *testing.T) {
	tests := map[string]struct {
		log  func(*slog.Logger)
		want string
	}{
		"plain":          {func(l *slog.Logger) { l.Info("ready", "port", 3000) }, "INFO  ready port=3000"},
		"warn":           {func(l *slog.Logger) { l.Warn("slow") }, "WARN  slow"},
		"quoted":         {func(l *slog.Logger) { l.Info("x", "a", "two words", "b", "") }, `INFO  x a="two words" b=""`},
		"duration":       {func(l *slog.Logger) { l.Info("x", "took", 1234567*time.Microsecond) }, "INFO  x took=1.23s"},
		"error":          {func(l *slog.Logger) { l.Info("x", "error", errors.New("no route")) }, `INFO  x error="no route"`},
		"child":          {func(l *slog.Logger) { l.With(logging.ChildKey, "web").Info("up") }, "INFO  web | up"},
		"child on call":  {func(l *slog.Logger) { l.Info("up", logging.ChildKey, "web", "a", 1) }, "INFO  web | up a=1"},
		"with and group": {func(l *slog.Logger) { l.With("a", 1).WithGroup("g").Info("x", "b", 2) }, "INFO  x a=1 g.b=2"},
		"line breaks":    {func(l *slog.Logger) { l.Info("a\nb", "c", "d\ne") }, `INFO  a\nb c="d\ne"`},
		"escape codes":   {func(l *slog.Logger) { l.Info("\x1b[31mred") }, `INFO  \x1b[31mred`},
		"binary":         {func(l *slog.Logger) { l.Info("a\xffb") }, `INFO  a\xffb`},
		"utf-8":          {func(l *slog.Logger) { l.Info("✔ grün") }, "INFO  ✔ grün"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := line(t, tt.log); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestConsoleLevel(t *testing.T) {
	if got := line(t, func(l *slog.Logger) { l.Debug("hidden") }); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	logging.Settings{LogFormat: "json", LogLevel: "debug"}.Logger(&out).Debug("up", logging.ChildKey, "web")
	var record map[string]any
	if err := json.Unmarshal(out.Bytes(), &record); err != nil || record["msg"] != "up" || record["child"] != "web" || record["level"] != "DEBUG" {
		t.Errorf("got %s, %v", out.String(), err)
	}
}

func TestSettingsValidate(t *testing.T) {
	if p := (logging.Settings{LogFormat: "xml", LogLevel: "loud"}).Validate(); len(p) != 2 {
		t.Errorf("got %v", p)
	}
}
