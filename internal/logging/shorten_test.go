package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/logging"
)

const limit = 400

func TestFewNamesSayHowManyMoreThereAre(t *testing.T) {
	names := make([]string, 300)
	for i := range names {
		names[i] = fmt.Sprintf("table%d.by_name", i)
	}
	for n, want := range map[int]string{
		0: "", 1: "table0.by_name", 2: "table0.by_name, table1.by_name",
		300: "table0.by_name, table1.by_name, table2.by_name, table3.by_name, table4.by_name, table5.by_name, table6.by_name and 293 more",
	} {
		if got := logging.Few(names[:n]); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if got := logging.Few([]string{strings.Repeat("x", 500), "y"}); got != strings.Repeat("x", 500)+" and 1 more" {
		t.Errorf("%q", got)
	}
}

// Whatever is logged, its line is short, has its beginning and its end, and is whole
// at debug level.
func TestLongLinesAreShortened(t *testing.T) {
	long := strings.Repeat("a \"quoted\" word\n", 100)
	cases := map[string]func(*slog.Logger){
		"message": func(l *slog.Logger) { l.Info("begins " + long + " ends") },
		"text":    func(l *slog.Logger) { l.Warn("it failed", "error", errors.New("begins "+long+" ends"), "n", 1) },
		"list":    func(l *slog.Logger) { l.Info("many", "names", strings.Fields("begins "+long+" ends")) },
		"two":     func(l *slog.Logger) { l.Info("x", "a", "begins "+long, "b", long+" ends") },
		"more": func(l *slog.Logger) {
			l.With("a", 1).WithGroup("g").Error("x", "url", strings.Repeat("é", 700), "b", "begins"+long+" ends")
		},
	}
	for name, log := range cases {
		for _, format := range []string{logging.FormatConsole, logging.FormatJSON} {
			var short, whole bytes.Buffer
			log(logging.New(&short, format, slog.LevelInfo))
			log(logging.New(&whole, format, slog.LevelDebug))
			got := short.String()
			if len(got) > limit || strings.Count(got, "\n") != 1 || !strings.Contains(got, "…") || !strings.Contains(got, "begins") || !strings.Contains(got, "ends") {
				t.Errorf("%s, %s: %d bytes: %s", name, format, len(got), got)
			}
			if format == logging.FormatJSON && !json.Valid(short.Bytes()) {
				t.Errorf("%s: no JSON: %s", name, got)
			}
			if whole.Len() < 1000 {
				t.Errorf("%s, %s: not whole at debug level: %s", name, format, whole.String())
			}
		}
	}
}

// A short reason is not cut because the advice beside it is long.
func TestOnlyTheLongestTextsAreShortened(t *testing.T) {
	reason := strings.TrimSpace(strings.Repeat("reason ", 15))
	for _, format := range []string{logging.FormatConsole, logging.FormatJSON} {
		var out bytes.Buffer
		logging.New(&out, format, slog.LevelInfo).Warn("it does not run", "reason", reason, "fix", strings.Repeat("do this ", 300), "at", "http://convex:3210")
		if got := out.String(); !strings.Contains(got, reason) || !strings.Contains(got, "it does not run") || !strings.Contains(got, "http://convex:3210") || len(got) < limit-40 {
			t.Errorf("%s: %s", format, got)
		}
	}
}

func TestLinesOfChildrenAndShortOnesStay(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, format := range []string{logging.FormatConsole, logging.FormatJSON} {
		var out bytes.Buffer
		log := logging.New(&out, format, slog.LevelInfo)
		log.Info(long, logging.ChildKey, "web")
		log.With(logging.ChildKey, "web").Info(long)
		logging.ChildLines(log, "web")([]byte(long))
		log.Info("short", "text", strings.Repeat("y", 200))
		if got := out.String(); strings.Contains(got, "…") || strings.Count(got, long) != 3 {
			t.Errorf("%s: %s", format, got)
		}
	}
}

func TestRandomLinesAreShort(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", " ", "\"", "\\", "\n", "é", "😀", "\x00", "<", "word "}
	text := func(n int) string {
		var b strings.Builder
		for b.Len() < n {
			b.WriteString(alphabet[random.IntN(len(alphabet))])
		}
		return b.String()
	}
	for range 500 {
		var attrs []any
		for i := range random.IntN(5) {
			attrs = append(attrs, fmt.Sprintf("key%d", i), text(random.IntN(2000)>>random.IntN(8)))
		}
		message := text(random.IntN(1000) >> random.IntN(8))
		for _, format := range []string{logging.FormatConsole, logging.FormatJSON} {
			var out bytes.Buffer
			logging.New(&out, format, slog.LevelInfo).Info(message, attrs...)
			if out.Len() > limit {
				t.Fatalf("%d bytes: %s", out.Len(), out.String())
			}
		}
	}
}
