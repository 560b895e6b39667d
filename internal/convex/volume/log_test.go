package volume

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func newLog(t *testing.T, path string, limit, keep int64) *Log {
	t.Helper()
	log, err := OpenLog(path, limit, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}

func TestLogIsCutWhileItIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backend.log")
	log := newLog(t, path, 10_000, 2_000)
	for i := range 5_000 {
		if err := log.WriteLine(fmt.Sprintf("line %05d", i)); err != nil {
			t.Fatal(err)
		}
	}
	log.Flush()
	data, err := os.ReadFile(path)
	if err != nil || len(data) > 10_000 || len(data) < 1_900 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for i, line := range lines {
		if want := fmt.Sprintf("line %05d", 5_000-len(lines)+i); line != want {
			t.Fatalf("line %d is %q, want %q", i, line, want)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%d files in the folder, %v", len(entries), err)
	}
}

func TestLogCutsAnOldFileAtStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backend.log")
	old := append(bytes.Repeat([]byte("an old line\n"), 2_000), "the last line\n"...)
	if err := os.WriteFile(path, old, 0o644); err != nil {
		t.Fatal(err)
	}
	log := newLog(t, path, 10_000, 1_000)
	if err := log.WriteLine("a new line"); err != nil {
		t.Fatal(err)
	}
	log.Flush()
	got := testkit.ReadFile(t, path)
	if len(got) > 1_100 || !strings.HasPrefix(got, "an old line\n") || !strings.HasSuffix(got, "the last line\na new line\n") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestLogIsOfItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backend.log")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	log := newLog(t, path, 100, 50)
	for range 2 { // the second line begins a new file
		if err := log.WriteLine(strings.Repeat("x", 80)); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
}

func TestLogCutsOneEndlessLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backend.log")
	log := newLog(t, path, 10_000, 1_000)
	for range 10 {
		if err := log.WriteLine(strings.Repeat("x", 9_000)); err != nil {
			t.Fatal(err)
		}
	}
	log.Flush()
	if got := testkit.ReadFile(t, path); len(got) > 10_000 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestLogRefusesLinesAfterClose(t *testing.T) {
	log := newLog(t, filepath.Join(t.TempDir(), "x.log"), 100, 10)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if log.WriteLine("late") == nil {
		t.Error("no error")
	}
}
