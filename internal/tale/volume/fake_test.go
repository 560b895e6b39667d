package volume_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

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
	server.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, _ io.Writer) error {
		return volume.Helper(ctx, root, args, in, out)
	})
	self := filepath.Join(t.TempDir(), "tale")
	testkit.WriteTree(t, filepath.Dir(self), map[string]string{"tale": "binary"})
	return server, server.Connect(t, engine.Options{Self: self})
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

// A look tells whether a source has changed since it was copied, and whether its copy has.
func TestLookTellsWhetherASourceHasChanged(t *testing.T) {
	server, e := fake(t)
	server.AddVolume("old", nil)
	testkit.WriteTree(t, server.Folder("old"), map[string]string{"a": "content"})
	must[volume.Report](t)(volume.Copy{From: "old", To: "new"}.Run(t.Context(), e, nil))
	look := must[volume.State](t)
	copied := look(volume.Look(t.Context(), e, "new")).Mark.Source
	used := func(name string) bool { return look(volume.Look(t.Context(), e, name)).Used }
	if used("new") || used("old") {
		t.Error("nothing was used")
	}
	state := look(volume.Look(t.Context(), e, "old"))
	if state.Print != copied || state.Free <= 0 {
		t.Errorf("%+v, copied as %d", state, copied)
	}
	if err := os.Chtimes(filepath.Join(server.Folder("old"), "a"), time.Time{}, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	if state = look(volume.Look(t.Context(), e, "old")); state.Print == copied {
		t.Error("the source is another, and its print is not")
	}
	testkit.WriteTree(t, server.Folder("new"), map[string]string{"b": "written since"})
	if !used("new") || used("old") {
		t.Error("the copy alone was used")
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
	testkit.WantError(t, err, exit.Config, "holds something else", "docker volume rm new")
	if entries := must[[]os.DirEntry](t)(os.ReadDir(server.Folder("new"))); len(entries) != 1 {
		t.Errorf("%v", entries)
	}
	if err := os.Remove(filepath.Join(server.Folder("new"), "x")); err != nil {
		t.Fatal(err)
	}
	must[volume.Report](t)(volume.Copy{From: "old", To: "new"}.Run(t.Context(), e, nil))
	_, err = volume.Copy{From: "other", To: "new"}.Run(t.Context(), e, nil)
	testkit.WantError(t, err, exit.Config, "is a copy of old")
}

func TestVolumesInUseAreNotCopied(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "writer", Image: "x:1", Volumes: map[string]string{"/data": "old"}, Running: true})
	copying := volume.Copy{From: "old", To: "new"}
	_, err := copying.Run(t.Context(), e, nil)
	testkit.WantError(t, err, exit.Temporary, "docker stop writer")
	if err := e.Stop(context.WithoutCancel(t.Context()), "writer", 0); err != nil {
		t.Fatal(err)
	}
	must[volume.Report](t)(copying.Run(t.Context(), e, nil))
}

// A service that starts in the middle ends the copy, and the helper with it.
func TestACopyEndsWhenAServiceStarts(t *testing.T) {
	server, e := fake(t)
	server.AddVolume("old", nil)
	ended := make(chan error, 1)
	server.SetHelper(func(ctx context.Context, _ string, _ []string, in io.Reader, _, _ io.Writer) error {
		server.AddContainer(enginetest.Container{Name: "late", Image: "x:1", Volumes: map[string]string{"/data": "old"}, Running: true})
		ctx, cancel := engine.Attended(ctx, in)
		defer cancel(nil)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return context.Cause(ctx)
	})
	_, err := volume.Copy{From: "old", To: "new"}.Run(t.Context(), e, nil)
	testkit.WantError(t, err, exit.Temporary, "docker stop late")
	if err := <-ended; err == nil { // by the end of its input or by its removal, which are one moment
		t.Error("the helper ends by itself")
	}
}

func TestAnInterruptedCopyLeavesNoHelper(t *testing.T) {
	server, e := fake(t)
	server.AddVolume("old", nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the operator has pressed Ctrl-C")
	server.SetHelper(func(inside context.Context, _ string, _ []string, in io.Reader, _, _ io.Writer) error {
		cancel(why)
		inside, end := engine.Attended(inside, in)
		defer end(nil)
		<-inside.Done()
		return nil
	})
	if _, err := (volume.Copy{From: "old", To: "new"}).Run(ctx, e, nil); !errors.Is(err, why) {
		t.Error(err)
	}
	if left := must[[]engine.Container](t)(e.Everything(t.Context())); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

// What a killed tale has left is removed; a helper whose tale lives is waited for.
func TestHelpersOfOtherRuns(t *testing.T) {
	server, e := fake(t)
	server.AddVolume("old", nil)
	labels := map[string]string{volume.LabelCopy: "new"}
	server.AddContainer(enginetest.Container{Name: "ended", Image: "tale-helper:1", Labels: labels, Volumes: map[string]string{"/to": "new"}})
	server.AddContainer(enginetest.Container{Name: "ending", Image: "other:1", Labels: labels, Volumes: map[string]string{"/to": "new"}, Running: true})
	server.AddContainer(enginetest.Container{Name: "of another", Image: "tale-helper:1", Labels: map[string]string{volume.LabelCopy: "x"}})
	waited := 0
	must[volume.Report](t)(volume.Copy{From: "old", To: "new"}.Run(t.Context(), e, func(p volume.Progress) {
		if p.Phase == volume.Waiting {
			if waited++; waited == 2 {
				server.Die("ending", 0, false)
			}
		}
	}))
	if left := must[[]engine.Container](t)(e.Everything(t.Context())); len(left) != 1 || left[0].Name != "of another" || waited != 2 {
		t.Errorf("%d: %+v", waited, left)
	}
}

// An engine that fails is an error, and never an absent or an empty volume.
func TestLookAtAnEngineThatFails(t *testing.T) {
	for name, path := range map[string]struct{ method, path string }{
		"volume": {"GET", "/volumes/*"}, "import": {"POST", "/images/create"}, "create": {"POST", "/containers/create"},
		"attach": {"POST", "/containers/*/attach"}, "start": {"POST", "/containers/*/start"}, "wait": {"POST", "/containers/*/wait"},
	} {
		for how, fault := range map[string]enginetest.Fault{"error": {Status: 500, Message: "broken"}, "cut": {Drop: true}} {
			t.Run(name+" "+how, func(t *testing.T) {
				server, e := fake(t)
				server.AddVolume("old", nil)
				server.Fault(path.method, path.path, fault, 100)
				if state, err := volume.Look(t.Context(), e, "old"); err == nil {
					t.Errorf("%+v", state)
				}
			})
		}
	}
	for name, helper := range map[string]enginetest.HelperFunc{
		"silent": func(context.Context, string, []string, io.Reader, io.Writer, io.Writer) error { return nil },
		"failing": func(context.Context, string, []string, io.Reader, io.Writer, io.Writer) error {
			return errors.New("failed")
		},
		"babbling": func(_ context.Context, _ string, _ []string, _ io.Reader, out, _ io.Writer) error {
			_, err := io.WriteString(out, "hm\n")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, e := fake(t)
			server.SetHelper(helper)
			server.AddVolume("old", nil)
			if state, err := volume.Look(t.Context(), e, "old"); err == nil {
				t.Errorf("%+v", state)
			}
		})
	}
}

// TestAHelperThatIsKilled is no failure of the copy, which the same command goes on with.
func TestAHelperThatIsKilled(t *testing.T) {
	server, e := fake(t)
	server.AddVolume("old", nil)
	testkit.WriteTree(t, server.Folder("old"), map[string]string{"a": "content"})
	server.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, _ io.Writer) error {
		return errors.Join(exit.Errorf(exit.SignalBase+9, "killed"), volume.Helper(ctx, root, args, in, out))
	})
	_, err := volume.Copy{From: "old", To: "new"}.Run(t.Context(), e, nil)
	testkit.WantError(t, err, exit.Temporary, "copy old new", "was killed (exit code 137)", "the same command again")
}
