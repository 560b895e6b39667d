package volume_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/volume"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// fake starts an engine in memory whose volumes are folders, and helpers work.
func fake(t *testing.T) (*enginetest.Server, *engine.Engine) {
	t.Helper()
	testkit.RequireRoot(t)
	server := enginetest.New(t)
	server.SetHelper(volume.Helper)
	self := filepath.Join(t.TempDir(), "tale")
	testkit.WriteTree(t, filepath.Dir(self), map[string]string{"tale": "binary"})
	e, err := engine.Connect(t.Context(), engine.Options{Host: server.Host(), Self: self, Environ: config.Environ{"HOME": t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return server, e
}

// wantError checks an exit code and words that a message must have.
func wantError(t *testing.T, err error, code int, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want exit code %d", code)
	}
	if got := exit.Code(err); got != code {
		t.Errorf("exit code %d, want %d: %v", got, code, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("nothing says %q in: %v", word, err)
		}
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestCopyOfAVolume(t *testing.T) {
	server, e := fake(t)
	ctx := t.Context()
	if state := must[volume.State](t)(volume.Look(ctx, e, "old")); state.Exists {
		t.Errorf("%+v", state)
	}
	server.AddVolume("old", nil)
	testkit.WriteTree(t, server.Folder("old"), map[string]string{"a": "content", "folder/b": "more"})
	copying := volume.Copy{From: "old", To: "new", Labels: map[string]string{"project": "shop"}}
	report := must[volume.Report](t)(copying.Run(ctx, e, nil))
	if report.Files != 2 || report.Folders != 1 || report.Bytes != 11 || report.Already || report.Took <= 0 {
		t.Errorf("%+v", report)
	}
	if got := testkit.ReadFile(t, filepath.Join(server.Folder("new"), "folder/b")); got != "more" {
		t.Errorf("%q", got)
	}
	state := must[volume.State](t)(volume.Look(ctx, e, "new"))
	if !state.Exists || state.Empty || state.Mark == nil || state.Mark.From != "old" || time.Since(state.Mark.Finished) > time.Minute || state.Files != 2 || state.Bytes != 11 {
		t.Errorf("%+v %+v", state, state.Mark)
	}
	if report = must[volume.Report](t)(copying.Run(ctx, e, nil)); !report.Already || report.Files != 2 {
		t.Errorf("%+v", report)
	}
	if v, found, err := e.Volume(ctx, "new"); !found || err != nil || v.Labels["project"] != "shop" {
		t.Errorf("%+v %v", v, err)
	}
	if left := must[[]engine.Container](t)(e.Everything(ctx)); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

func TestNothingIsWrittenIntoWhatHoldsSomethingElse(t *testing.T) {
	server, e := fake(t)
	for _, name := range []string{"old", "other", "new"} {
		server.AddVolume(name, nil)
	}
	testkit.WriteTree(t, server.Folder("old"), map[string]string{"a": "content"})
	testkit.WriteTree(t, server.Folder("new"), map[string]string{"x": "mine"})
	_, err := volume.Copy{From: "old", To: "new"}.Run(t.Context(), e, nil)
	wantError(t, err, exit.Config, "holds something else", "docker volume rm new")
	if entries := must[[]os.DirEntry](t)(os.ReadDir(server.Folder("new"))); len(entries) != 1 {
		t.Errorf("%v", entries)
	}
	if err := os.Remove(filepath.Join(server.Folder("new"), "x")); err != nil {
		t.Fatal(err)
	}
	must[volume.Report](t)(volume.Copy{From: "old", To: "new"}.Run(t.Context(), e, nil))
	_, err = volume.Copy{From: "other", To: "new"}.Run(t.Context(), e, nil)
	wantError(t, err, exit.Config, "is a copy of old")
}

func TestVolumesInUseAreNotCopied(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "writer", Image: "x:1", Volumes: map[string]string{"/data": "old"}, Running: true})
	copying := volume.Copy{From: "old", To: "new"}
	_, err := copying.Run(t.Context(), e, nil)
	wantError(t, err, exit.Temporary, "docker stop writer")
	if err := e.Stop(context.WithoutCancel(t.Context()), "writer", 0); err != nil {
		t.Fatal(err)
	}
	must[volume.Report](t)(copying.Run(t.Context(), e, nil))
}
