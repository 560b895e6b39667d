package tale

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestWhatKilledBackupsHaveLeftGoes(t *testing.T) {
	dir := t.TempDir()
	s := &session{project: &project.Project{Dir: dir, File: project.File{ID: "shop-1"}}}
	for _, tt := range []struct{ folder, stays string }{{filepath.Join(dir, "backups"), "other.tar.partial"}, {s.project.Path(snapshots), ""}} {
		testkit.WriteTree(t, tt.folder, map[string]string{"shop-1-20260101T000000Z.tar.partial": "", "other.tar.partial": "", "shop-1-20260101T000000Z.tar": ""})
		s.removePartial(tt.folder)
		var left []string
		entries, err := os.ReadDir(tt.folder)
		for _, entry := range entries {
			left = append(left, entry.Name())
		}
		want := []string{"shop-1-20260101T000000Z.tar"}
		if tt.stays != "" {
			want = []string{tt.stays, want[0]}
		}
		if !slices.Equal(left, want) {
			t.Errorf("%s: %q, %v", tt.folder, left, err)
		}
	}
}

// TestAClockThatWasSetBack: what is there of that time is not written over.
func TestAClockThatWasSetBack(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, want := range []string{"shop-1-20260102T030405Z.tar.age", "shop-1-20260102T030405Z-2.tar.age", "shop-1-20260102T030405Z-3.tar.age"} {
		if got := backupFile(dir, "shop-1", true, now); got != filepath.Join(dir, want) {
			t.Errorf("%s, want %s", got, want)
		}
		testkit.WriteTree(t, dir, map[string]string{want: ""})
	}
}

// TestNothingGoesOnBeforeTheDatabasesKeepTheMoment that the files are of: one that cannot ends
// the backup first.
func TestNothingGoesOnBeforeTheDatabasesKeepTheMoment(t *testing.T) {
	s := newShop(t)
	var wentOn atomic.Bool
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		return s.postgres.Program(container, command, heard{in, func(some []byte) bool { return !bytes.Contains(some, []byte("pg_export_snapshot")) }}, out, errs)
	})
	s.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
		return helpShop(ctx, root, args, heard{in, func([]byte) bool { wentOn.Store(true); return true }}, out, talk)
	})
	if err := s.run(s.app.backupCommand(), filepath.Join(s.app.folder, "b.tar")); err == nil || wentOn.Load() {
		t.Errorf("%v, it went on: %t", err, wentOn.Load())
	}
}

// TestYesIsNoConsentToARestore that replaces data: the project's id is.
func TestYesIsNoConsentToARestore(t *testing.T) {
	s := newShop(t)
	file := filepath.Join(s.app.folder, "b.tar")
	if err := s.run(s.app.backupCommand(), file); err != nil {
		t.Fatal(err)
	}
	s.fill("since")
	before := s.holds()
	s.app.yes = true
	testkit.WantError(t, s.run(s.app.restoreCommand(), file), exit.Usage, "give it with --project-name shop-1")
	if is := s.holds(); is != before {
		t.Errorf("there was\n%s\nand is\n%s", before, is)
	}
}

// heard is a reader whose readers are watched; it ends when goesOn says no.
type heard struct {
	io.Reader
	goesOn func(some []byte) bool
}

func (h heard) Read(into []byte) (int, error) {
	n, err := h.Reader.Read(into)
	if n > 0 && !h.goesOn(into[:n]) {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}
