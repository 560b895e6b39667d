package data

import (
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestWhatKilledBackupsHaveLeftGoes(t *testing.T) {
	dir := t.TempDir()
	s := &session.Session{Project: &project.Project{Dir: dir, File: project.File{ID: "shop-1"}}}
	for _, tt := range []struct{ folder, stays string }{{filepath.Join(dir, "backups"), "shop-1-eu-20260101T000000Z.tar.partial"}, {s.Project.Path(snapshots), ""}} {
		testkit.WriteTree(t, tt.folder, map[string]string{"shop-1-20260101T000000Z.tar.partial": "", "shop-1-eu-20260101T000000Z.tar.partial": "", "shop-1-20260101T000000Z.tar": ""})
		removePartial(s, tt.folder)
		var left []string
		entries, err := os.ReadDir(tt.folder)
		for _, entry := range entries {
			left = append(left, entry.Name())
		}
		want := []string{"shop-1-20260101T000000Z.tar"}
		if tt.stays != "" {
			want = append(want, tt.stays)
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

// TestABackupIntoAFolderHasAName: it would fail at its end, when the folder is in its place.
func TestABackupIntoAFolderHasAName(t *testing.T) {
	folder, now := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		path, want string
		sealed     bool
	}{
		{"", "shop-1-20260102T030405Z.tar", false},
		{folder, folder + "/shop-1-20260102T030405Z.tar", false},
		{folder + "/", folder + "/shop-1-20260102T030405Z.tar.age", true},
		{folder + "/my.tar", folder + "/my.tar", true},
	} {
		if got := backupFile(tt.path, "shop-1", tt.sealed, now); got != tt.want {
			t.Errorf("%q is written to %s, want %s", tt.path, got, tt.want)
		}
	}
}

// TestNothingGoesOnBeforeTheDatabasesKeepTheMoment that the files are of: one that cannot ends
// the backup first.
func TestNothingGoesOnBeforeTheDatabasesKeepTheMoment(t *testing.T) {
	s := newShop(t)
	var wentOn atomic.Bool
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		return s.Postgres.Program(container, command, heard{in, func(some []byte) bool { return !bytes.Contains(some, []byte("pg_export_snapshot")) }}, out, errs)
	})
	s.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
		return taletest.Help(ctx, root, args, heard{in, func([]byte) bool { wentOn.Store(true); return true }}, out, talk)
	})
	if err := s.Run(s.app.backupCommand(), filepath.Join(s.app.Folder, "b.tar")); err == nil || wentOn.Load() {
		t.Errorf("%v, it went on: %t", err, wentOn.Load())
	}
}

// TestWhatABackupLeavesOutIsNamed at its end, and nothing where it leaves nothing out.
func TestWhatABackupLeavesOutIsNamed(t *testing.T) {
	const beginning = "not in the backup"
	s := newShop(t)
	backup := func() string {
		t.Helper()
		var said bytes.Buffer
		command := s.app.backupCommand()
		command.SetArgs([]string{filepath.Join(s.app.Folder, "b.tar")})
		command.SetOut(io.Discard)
		command.SetErr(&said)
		if err := command.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return said.String()
	}
	if said := backup(); strings.Contains(said, beginning) {
		t.Errorf("it says %s", said)
	}
	for service, volumes := range map[string]map[string]string{
		"rag":   {"/app/data": "shop-1_rag-data", "/app/platform-config": "shop-1_convex-data"},
		"proxy": {"/data": "shop-1_caddy-data", "/certs": "/etc/ssl", "/mine": "shop-1_mine", "/other": "shop-12_other"},
	} {
		s.AddContainer(enginetest.Container{Project: "shop-1", Service: service, Name: "shop-1-" + service, Image: "x:1", Volumes: volumes, Running: true})
	}
	env := filepath.Join(s.app.Folder, ".env")
	testkit.WriteTree(t, s.app.Folder, map[string]string{".env": testkit.ReadFile(t, env) + "\nS3_STORAGE_FILES_BUCKET=files"})
	if err := unix.Lsetxattr(filepath.Join(s.Folder("shop-1_convex-data"), "storage/file"), "security.other", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	want := beginning + ": volumes shop-1_mine, shop-1_rag-data; files in S3, which has to keep versions of its own; extended attributes of files: security.other of 1\n"
	if said := backup(); !strings.Contains(said, want) {
		t.Errorf("it says\n%s\nwant %s", said, want)
	}
}

// TestYesIsNoConsentToARestore that replaces data: the project's id is.
func TestYesIsNoConsentToARestore(t *testing.T) {
	s := newShop(t)
	file := s.backedUp()
	s.Fill("since")
	before := s.Holds()
	s.app.Yes = true
	testkit.WantError(t, s.Run(s.app.restoreCommand(), file), exit.Usage, "give it with --project-name shop-1")
	if is := s.Holds(); is != before {
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

// Either name of the override is one of the project's files.
func TestFilesOfTheProject(t *testing.T) {
	p := &project.Project{Dir: t.TempDir()}
	want := map[string][]byte{project.FileName: []byte("1"), "compose.override.yml": []byte("2"), "compose.override.yaml": []byte("3")}
	for name, content := range want {
		testkit.WriteTree(t, p.Dir, map[string]string{name: string(content)})
	}
	if got, err := projectFiles(&session.Session{Project: p}, true); err != nil || !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%q, %v", got, err)
	}
}
