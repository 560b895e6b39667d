package data

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestSnapshotsThatMayGo: neither the last few, nor the way back to a release, nor a file
// that the history does not name.
func TestSnapshotsThatMayGo(t *testing.T) {
	s := &session.Session{Project: &project.Project{Dir: t.TempDir()}}
	for _, step := range []struct{ from, to, snapshot string }{
		{"0", "1", ""}, {"1", "2", "a-1.tar"}, {"2", "3", "b-2.tar"}, {"3", "4", "gone-3.tar"}, {"3", "4", "c-3.tar"}, {"4", "5", "d-4.tar"}, {"4", "5", "e-4.tar"},
	} {
		entry := project.Entry{Command: "tale", Result: project.Done, Release: step.to, Images: map[string]project.Image{stack.Platform: {ID: step.to}}}
		if entry.From = step.from; step.snapshot != "" {
			entry.Snapshot = "/where/it/was/then/" + step.snapshot
			testkit.WriteTree(t, s.Project.Path(snapshots), map[string]string{step.snapshot: "data"})
		}
		if err := s.Project.Record(entry); err != nil {
			t.Fatal(err)
		}
	}
	testkit.WriteTree(t, s.Project.Path(snapshots), map[string]string{"of-the-operator.tar": ""})
	if err := os.Remove(s.Project.Path(snapshots, "gone-3.tar")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		releases, keep int
		want           string
	}{
		{1, 3, "b-2.tar a-1.tar"}, {1, 0, "d-4.tar c-3.tar b-2.tar a-1.tar"}, {0, 1, "d-4.tar c-3.tar b-2.tar a-1.tar"},
		{2, 1, "d-4.tar b-2.tar a-1.tar"}, {4, 1, "d-4.tar"}, {1, 5, ""},
	} {
		old, err := OldSnapshots(s, tt.releases, tt.keep)
		var names []string
		for _, snapshot := range old {
			if names = append(names, filepath.Base(snapshot.Path)); snapshot.Bytes != 4 {
				t.Errorf("%+v", snapshot)
			}
		}
		if got := strings.Join(names, " "); got != tt.want || err != nil {
			t.Errorf("%d releases and %d snapshots stay: %q may go, %v, want %q", tt.releases, tt.keep, got, err, tt.want)
		}
	}
}

// A snapshot that root takes is for the owner of the project, who restores it.
func TestASnapshotIsTheOwners(t *testing.T) {
	s := newShop(t)
	session, state := s.opened()
	if err := os.Chown(s.App.Folder, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	out := console.NewProgress(console.Options{Data: io.Discard, Talk: io.Discard})
	path, err := TakeSnapshot(t.Context(), session, state, out, func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, filepath.Dir(path)} {
		if info, err := os.Stat(path); err != nil || info.Sys().(*syscall.Stat_t).Uid != 65534 {
			t.Errorf("%s is not the owner's: %v", path, err)
		}
	}
}
