package backup_test

import (
	"context"
	"io"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestHelpersOfAKilledTaleGo: one that still reads, and one that was never started. Those
// of another volume stay.
func TestHelpersOfAKilledTaleGo(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	server.SetHelper(func(context.Context, string, []string, io.Reader, io.Writer, io.Writer) error { return nil })
	e := server.Connect(t, engine.Options{Self: "/proc/self/exe"})
	left := func(name, volume string, running bool) {
		server.AddContainer(enginetest.Container{Name: name, Image: "x:1", Labels: map[string]string{backup.LabelVolume: volume}, Running: running})
	}
	silent := func(string, int64) {}
	for what, do := range map[string]func() error{
		"backup": func() error {
			_, err := backup.Take{Engine: e, Volume: "v", Path: filepath.Join(dir, "b.tar"), Moves: silent}.Run(t.Context())
			return err
		},
		"restore": func() error {
			_, err := backup.Restore{Engine: e, Volume: "v", Moves: silent}.Discard(t.Context())
			return err
		},
	} {
		left("reads-"+what, "v", true)
		left("never-started-"+what, "v", false)
		left("other-"+what, "w", true)
		said := do() // its own helpers say nothing
		all, err := e.Everything(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.Labels[backup.LabelVolume] == "v" {
				t.Errorf("%s: %s is there: %v", what, c.Name, said)
			}
		}
		if c, err := e.Inspect(t.Context(), "other-"+what); err != nil || !c.State.Running {
			t.Errorf("%s: that of another volume is %+v, %v", what, c.State, err)
		}
	}
}

// TestAHelperWhoseWordsAreLost, as with its connection: what it would have said is not that a volume
// is empty, about which there is no question.
func TestAHelperWhoseWordsAreLost(t *testing.T) {
	server := enginetest.New(t)
	server.SetHelper(func(context.Context, string, []string, io.Reader, io.Writer, io.Writer) error { return nil })
	e := server.Connect(t, engine.Options{Self: "/proc/self/exe"})
	if err := e.CreateVolume(t.Context(), "v", nil); err != nil {
		t.Fatal(err)
	}
	_, err := backup.Restore{Engine: e, Volume: "v"}.Look(t.Context())
	testkit.WantError(t, err, exit.Failure, "cannot look into the volume v: its helper ended without a word")
}
