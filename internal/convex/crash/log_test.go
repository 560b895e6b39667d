package crash

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestCrashLogShowsTheNewestCrash(t *testing.T) {
	folder := t.TempDir()
	if got := Last(folder); got != "" {
		t.Errorf("a crash before the first: %q", got)
	}
	for _, place := range []string{"a.rs:1:1", "b.rs:2:2"} {
		crash := Read(time.Now(), time.Second, Evidence{Ended: "exit code 101", Code: 101, Lines: []string{"panicked at " + place, "", "at the margin"}})
		if err := Append(folder, crash); err != nil {
			t.Fatal(err)
		}
	}
	got := Last(folder)
	for _, want := range []string{"backend ended: exit code 101, after 1s", "cause     the backend panicked", "evidence  panicked at b.rs:2:2", "fix       ", "    at the margin"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "a.rs") {
		t.Errorf("an older crash is in\n%s", got)
	}
}

func TestCrashLogIsBounded(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, logName)
	lines := make([]string, tailLines)
	for i := range lines {
		lines[i] = strings.Repeat("x", tailLineMax)
	}
	for range 12 {
		crash := Crash{Time: time.Now(), Ended: "exit code 1", Log: lines}
		if err := Append(folder, crash); err != nil {
			t.Fatal(err)
		}
	}
	if size := len(testkit.ReadFile(t, path)); size > logLimit {
		t.Errorf("%d bytes", size)
	}
	if got := Last(folder); !strings.Contains(got, "backend ended") {
		t.Errorf("got %.80q", got)
	}
}

// A crash log that a power cut left at any length, with zeros behind or without,
// takes the next crash, and shows it whole.
func TestATornCrashLogGoesOn(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, logName)
	crash := func(place string) Crash {
		return Read(time.Now(), time.Second, Evidence{Ended: "exit code 101", Code: 101, Lines: []string{"panicked at " + place, ""}})
	}
	if err := Append(folder, crash("a.rs:1:1")); err != nil {
		t.Fatal(err)
	}
	whole := testkit.ReadFile(t, path)
	next := crash("b.rs:2:2")
	for length := range len(whole) {
		for _, tail := range []string{"", strings.Repeat("\x00", len(whole)-length)} {
			if err := os.WriteFile(path, []byte(whole[:length]+tail), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := Last(folder); strings.Contains(got, "\x00") || len(got) > length {
				t.Fatalf("%d of %d bytes: it shows %q", length, len(whole), got)
			}
			if err := Append(folder, next); err != nil {
				t.Fatal(err)
			}
			if got := Last(folder); got != strings.TrimSuffix(next.Text(), "\n") {
				t.Fatalf("%d of %d bytes: the next crash is\n%s", length, len(whole), got)
			}
		}
	}
}
