package logging_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
)

// gate is a sink that takes nothing until it is opened.
type gate struct {
	open chan struct{}
	got  chan []byte
}

func newGate() *gate { return &gate{make(chan struct{}), make(chan []byte, 1000)} }

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.got <- bytes.Clone(p)
	return len(p), nil
}

// until collects what arrives up to a text.
func (g *gate) until(t *testing.T, text string) string {
	t.Helper()
	var all strings.Builder
	limit := time.After(10 * time.Second)
	for !strings.Contains(all.String(), text) {
		select {
		case p := <-g.got:
			all.Write(p)
		case <-limit:
			t.Fatalf("%q did not arrive; got %d bytes", text, all.Len())
		}
	}
	return all.String()
}

func TestLoggerOfAFileIsNotHeldUp(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	log := logging.Settings{}.Logger(write)
	began := time.Now()
	for range 3000 { // many times what the pipe holds
		log.Info(strings.Repeat("x", 1000))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("logging to nobody took %v", took)
	}
}

func TestOwnLinesAreWrittenWhenTheCallReturns(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	log := logging.New(logging.NewWriter(write), logging.FormatJSON, slog.LevelInfo)
	logging.ChildLines(log, "web")([]byte("from a child"))
	log.Info("our own")
	write.Close()
	all, err := io.ReadAll(read)
	lines := strings.Split(strings.TrimSpace(string(all)), "\n")
	if err != nil || len(lines) != 2 || !strings.Contains(lines[0], "from a child") || !strings.Contains(lines[1], "our own") {
		t.Errorf("got %q, %v", all, err)
	}
}

func TestStoppedReaderHoldsUpNobody(t *testing.T) {
	sink := newGate()
	log := logging.New(logging.NewWriter(sink), logging.FormatConsole, slog.LevelInfo)
	child := logging.ChildLines(log, "web")
	line := bytes.Repeat([]byte("x"), 1000)
	const lines = 5000 // several times what waits
	began := time.Now()
	for range lines {
		child(line)
	}
	log.Info("our own line")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("writing past a stopped reader took %v", took)
	}
	close(sink.open)
	all := sink.until(t, "log lines dropped")
	log.Info("later")
	all += sink.until(t, "later")
	_, count, _ := strings.Cut(all, "too slow lines=")
	var dropped int
	if _, err := fmt.Sscan(count, &dropped); err != nil {
		t.Fatalf("no count of dropped lines in %.300q", all[strings.Index(all, "log lines dropped"):])
	}
	if kept := strings.Count(all, "web | "); kept+dropped != lines {
		t.Errorf("%d lines kept and %d dropped are not %d", kept, dropped, lines)
	}
	if !strings.Contains(all, "our own line") {
		t.Error("our own line was not kept")
	}
}

func TestSlowReaderLosesNothing(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	log := logging.New(logging.NewWriter(write), logging.FormatConsole, slog.LevelInfo)
	const lines = 4000
	go func() {
		defer write.Close()
		child := logging.ChildLines(log, "web")
		for range lines {
			child(bytes.Repeat([]byte("x"), 1000))
		}
		log.Info("last")
	}()
	var got int
	buf := make([]byte, 256<<10)
	for {
		n, err := read.Read(buf)
		got += bytes.Count(buf[:n], []byte{'\n'})
		if err == io.EOF {
			break
		}
		time.Sleep(time.Millisecond) // a reader slower than the writer is the point
	}
	if got != lines+1 {
		t.Errorf("got %d lines, want %d", got, lines+1)
	}
}

func TestBrokenSinkIsNoFailure(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	write.Close()
	w := logging.NewWriter(write)
	for range 3 {
		if n, err := w.Write([]byte("line\n")); n != 5 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// TestChildLines compares the fast way with what slog itself writes.
func TestChildLines(t *testing.T) {
	lines := map[string]string{
		"plain": "listening on 3000", "empty": "", "quotes": `a "b" \c`, "tab": "a\tb", "control": "a\x1b[31mb\x00\x7f",
		"carriage return": "10%\r20%", "utf-8": "✔ grün 漢字", "separators": "a\u2028b\u2029",
	}
	for name, text := range lines {
		for _, format := range []string{logging.FormatConsole, logging.FormatJSON} {
			t.Run(name+"/"+format, func(t *testing.T) {
				fast, slow := record(t, format, text, true), record(t, format, text, false)
				if fast != slow {
					t.Errorf("fast %q\nslow %q", fast, slow)
				}
			})
		}
	}
}

func TestChildLinesThatAreNoText(t *testing.T) {
	for _, format := range []string{logging.FormatConsole, logging.FormatJSON} {
		if got := record(t, format, "a\xff\xfe\xc3b", true); !strings.Contains(got, `a\xff\xfe\xc3b`) {
			t.Errorf("%s: got %q", format, got)
		}
	}
}

// record logs one line of a child and returns what was written without its
// time; for JSON, its message.
func record(t *testing.T, format, text string, fast bool) string {
	t.Helper()
	var out bytes.Buffer
	log := logging.New(&out, format, slog.LevelInfo)
	if fast {
		logging.ChildLines(log, "web")([]byte(text))
	} else {
		log.Info(text, logging.ChildKey, "web")
	}
	if format == logging.FormatConsole {
		_, rest, _ := strings.Cut(out.String(), " ")
		return rest
	}
	var r struct{ Time, Level, Msg, Child string }
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%s: %v", out.Bytes(), err)
	}
	if _, err := time.Parse(time.RFC3339Nano, r.Time); err != nil || r.Level != "INFO" || r.Child != "web" {
		t.Fatalf("got %s", out.Bytes())
	}
	return r.Msg
}

func TestChildLinesOfOtherLoggers(t *testing.T) {
	var out bytes.Buffer
	logging.ChildLines(logging.New(&out, logging.FormatJSON, slog.LevelInfo).With("boot", 7), "web")([]byte("x\xff"))
	if got := out.String(); !strings.Contains(got, `"boot":7`) || !strings.Contains(got, `"child":"web"`) || !strings.Contains(got, `x\\xff`) {
		t.Errorf("got %s", got)
	}
	out.Reset()
	logging.ChildLines(logging.New(&out, logging.FormatJSON, slog.LevelWarn), "web")([]byte("x"))
	if out.Len() > 0 {
		t.Errorf("got %s below the level", out.String())
	}
}

func BenchmarkChildLines(b *testing.B) {
	line := []byte("2026-01-31T10:00:00Z INFO application: handled a request of a client in a while [request=abc123] 200")
	for _, format := range []string{logging.FormatConsole, logging.FormatJSON} {
		b.Run(format, func(b *testing.B) {
			log := logging.New(logging.NewWriter(io.Discard), format, slog.LevelInfo)
			child := logging.ChildLines(log, "web")
			b.SetBytes(int64(len(line) + 1))
			b.ReportAllocs()
			for b.Loop() {
				child(line)
			}
		})
	}
}

func TestBatchedLinesAreWrittenTogether(t *testing.T) {
	sink := newGate()
	close(sink.open)
	log := logging.New(logging.NewWriter(sink), logging.FormatConsole, slog.LevelInfo)
	batched := logging.Batched(log)
	for range 10 {
		batched.Info("many")
	}
	if first := string(<-sink.got); strings.Count(first, "many") != 10 {
		t.Errorf("the first write has %q", first)
	}
}

func TestBatchedLinesKeepTheirPlace(t *testing.T) {
	for _, format := range []string{logging.FormatConsole, logging.FormatJSON} {
		sink := newGate()
		close(sink.open)
		log := logging.New(logging.NewWriter(sink), format, slog.LevelInfo)
		logging.Batched(log).Info("first", "n", 1)
		log.Info("second")
		all := string(<-sink.got) // written when Info returned
		if first, second := strings.Index(all, "first"), strings.Index(all, "second"); first < 0 || second < first {
			t.Errorf("%s: got %q", format, all)
		}
	}
}
