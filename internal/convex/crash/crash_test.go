package crash

import (
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestRead(t *testing.T) {
	tests := map[string]struct {
		e        Evidence
		cause    string
		proof    string
		forbid   string
		wantsFix string
	}{
		"oom kill":            {Evidence{Signal: syscall.SIGKILL, Code: 137, OutOfMemory: true, Killer: "out of memory: the limit of 14 MiB"}, "out of memory", "limit of 14 MiB", "", "memory limit"},
		"kill from elsewhere": {Evidence{Signal: syscall.SIGKILL, Code: 137}, "outside the container killed", "", "out of memory", "of that moment"},
		"panic":               {Evidence{Signal: syscall.SIGABRT, Code: 134, Lines: []string{"thread 'x' panicked at a.rs:212:9:", "Committer died"}}, "panicked", "a.rs:212:9: Committer died", "", "report"},
		"without our prefix":  {Evidence{Code: 0, Lines: []string{"T ERROR common::errors: Caught operational error (RUST_BACKTRACE=1 RUST_LOG=info,common::errors=debug for full trace): Try again later.: Lease Lost", "Received a fatal error. Shutting down immediately"}}, "lease was lost", "Try again later.: Lease Lost", "", "one backend per database"},
		"segfault":            {Evidence{Signal: syscall.SIGSEGV, Code: 139}, "native code", "", "", "report"},
		"arithmetic":          {Evidence{Signal: syscall.SIGFPE, Code: 136}, "native code", "", "", "report"},
		"refused system call": {Evidence{Signal: syscall.SIGSYS, Code: 159, Lines: []string{"memory allocation of 8 bytes failed"}}, "could not allocate", "", "", ""},
		"other signal":        {Evidence{Signal: syscall.SIGTERM, Code: 143}, "signal of another process", "", "", ""},
		"silent zero":         {Evidence{Code: 0, Lines: []string{"T ERROR common::errors: Caught error error: connection closed"}}, "ended by itself without saying why", "", "", ""},
		"not a word":          {Evidence{Code: 1}, "without having printed a line", "", "", "take CONVEX_BACKEND_COMMAND out of " + place.Here().Settings()},
		"unknown":             {Evidence{Code: 3, Lines: []string{"hello", "bye"}}, "not known", "its last line: bye", "", "last lines"},
		"an older error":      {Evidence{Code: 1, Lines: append(append([]string{"Address already in use"}, make([]string, before)...), "Error: other")}, "an error ended", "Error: other", "", ""},
		"newest line wins":    {Evidence{Code: 1, Lines: []string{"Disk quota exceeded: a", "Error: Disk quota exceeded: b"}}, "disk is full", "exceeded: b", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			crash := Read(time.Now(), time.Minute, tt.e)
			if !strings.Contains(crash.Cause, tt.cause) || !strings.Contains(crash.Evidence, tt.proof) || !strings.Contains(crash.Fix, tt.wantsFix) {
				t.Errorf("cause %q, evidence %q, fix %q", crash.Cause, crash.Evidence, crash.Fix)
			}
			if tt.forbid != "" && strings.Contains(crash.Cause, tt.forbid) {
				t.Errorf("cause %q", crash.Cause)
			}
			if crash.Fix == "" {
				t.Errorf("%+v", crash)
			}
		})
	}
}

// The last lines of real backends, each with its cause. There is no cause, and no words
// of one, that none of them shows.
func TestReadLastLines(t *testing.T) {
	text := testkit.ReadFile(t, "testdata/last-lines.txt")
	reached := map[string]bool{}
	blocks := strings.Split(text, "\n@ ")[1:]
	for _, block := range blocks {
		source, rest, _ := strings.Cut(block, "\n")
		end, rest, _ := strings.Cut(rest, "\n")
		end, want, _ := strings.Cut(end, ": ")
		got := Read(time.Now(), time.Minute, ended(t, end, rest))
		if !strings.Contains(got.Cause, want) {
			t.Errorf("%s: %q, want %q; evidence %q", source, got.Cause, want, got.Evidence)
		}
		reached[got.Cause] = true
	}
	if len(blocks) < 40 {
		t.Errorf("only %d ends", len(blocks))
	}
	printed := strings.ReplaceAll(text, "\n| ", "\n")
	for _, cause := range causes()[1:] { // the first is in no line
		if !reached[cause.cause] {
			t.Errorf("no line shows %q", cause.cause)
		}
		for _, words := range cause.words {
			if !regexp.MustCompile("(?m)" + words).MatchString(printed) {
				t.Errorf("%q: no line says %q", cause.cause, words)
			}
		}
	}
}

// ended reads one block: how the backend ended, and what it printed.
func ended(t *testing.T, end, text string) Evidence {
	t.Helper()
	how, number, _ := strings.Cut(end, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	e := Evidence{Ended: end, Code: n}
	if how == "signal" {
		e.Signal, e.Code = syscall.Signal(n), 128+n
	}
	for line := range strings.Lines(text) {
		if line, printed := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "| "); printed {
			e.Lines = append(e.Lines, line)
		}
	}
	return e
}
