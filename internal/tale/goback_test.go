package tale

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// ofRelease returns an entry of the history for a release whose image has its name.
func ofRelease(name string, rollback bool) project.Entry {
	return project.Entry{Command: "tale", Result: project.Done, Release: name, Rollback: rollback, Images: map[string]project.Image{stack.Platform: {ID: name}}}
}

// TestAKilledRollbackGoesOn: a rollback from 3 to 2 that was killed ends at 2, whether or
// not 2 serves already; the next one goes a step further back.
func TestAKilledRollbackGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name, serves, asked, want string
		killed                    bool
	}{
		{"before the switch", "3", "", "2", true},
		{"after the switch", "2", "", "2", true},
		{"named", "2", "1", "1", true},
		{"none was killed", "3", "", "2", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &project.Project{Dir: t.TempDir()}
			for _, release := range []string{"1", "2", "3"} {
				if err := p.Record(ofRelease(release, false)); err != nil {
					t.Fatal(err)
				}
			}
			if tt.killed {
				if err := p.Begin(ofRelease("2", true)); err != nil {
					t.Fatal(err)
				}
			}
			serves := engine.Container{Service: stack.Platform, ImageID: tt.serves, State: engine.State{Running: true}}
			d := &deployment{session: &session{project: p}, options: deployOptions{rollback: true, version: tt.asked}, state: rollout.State{
				Containers: []engine.Container{serves}, Images: []engine.Image{{ID: "1"}, {ID: "2"}, {ID: "3"}},
			}}
			if pinned, err := d.goBack(); err != nil || pinned[stack.Platform] != tt.want {
				t.Errorf("it goes back to %q, %v, want %q", pinned[stack.Platform], err, tt.want)
			}
			if err := p.Record(ofRelease("2", true)); err != nil {
				t.Fatal(err)
			}
			if left, there := p.Unfinished(); there {
				t.Errorf("still unfinished: %+v", left)
			}
		})
	}
}

// TestARollbackIsToTheImageOfThen: tale.json names the newer image by its tag, and the
// engine may have lost the older one.
func TestARollbackIsToTheImageOfThen(t *testing.T) {
	for _, kept := range []bool{true, false} {
		p := &project.Project{Dir: t.TempDir(), File: project.File{
			Services: []string{stack.Platform}, Images: map[string]string{stack.Platform: "r.example:5000/shop:2"},
		}}
		for _, release := range []string{"1", "2"} {
			entry := ofRelease(release, false)
			entry.Images[stack.Platform] = project.Image{ID: release, Reference: "r.example:5000/shop:" + release}
			if err := p.Record(entry); err != nil {
				t.Fatal(err)
			}
		}
		state := rollout.State{Containers: []engine.Container{{Service: stack.Platform, ImageID: "2", State: engine.State{Running: true}}}}
		wantID := ""
		if kept {
			state.Images, wantID = []engine.Image{{ID: "1"}}, "1"
		}
		d := &deployment{session: &session{project: p}, options: deployOptions{rollback: true}, state: state}
		pinned, err := d.goBack()
		if err != nil || pinned[stack.Platform] != wantID {
			t.Errorf("it is pinned to %q, %v, want %q", pinned[stack.Platform], err, wantID)
		}
		if r := d.release; r.version != "1" || r.images[stack.Platform] != "r.example:5000/shop:1" || r.versions[stack.Platform] != "1" {
			t.Errorf("the release is %+v", r)
		}
	}
}

// TestARollbackLeadsToWhatWasTakenOver: another tool made it, and kept no history of ours.
func TestARollbackLeadsToWhatWasTakenOver(t *testing.T) {
	p := &project.Project{Dir: t.TempDir()}
	blue := engine.Container{ID: "b", Service: stack.Platform, Version: "0", Image: "r/shop:0", ImageID: "0", State: engine.State{Running: true}}
	d := &deployment{session: &session{project: p}, state: rollout.State{Containers: []engine.Container{blue}}, target: rollout.Target{Services: []rollout.Wanted{{Service: stack.Platform}}}}
	for range 2 { // only the first deploy has no history
		if err := d.recordPredecessor(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Record(ofRelease("1", false)); err != nil {
		t.Fatal(err)
	}
	if entries, err := p.History(); err != nil || len(entries) != 2 {
		t.Errorf("%+v, %v", entries, err)
	}
	green := engine.Container{ID: "g", Service: stack.Platform, ImageID: "1", State: engine.State{Running: true}}
	d = &deployment{session: &session{project: p}, options: deployOptions{rollback: true}, state: rollout.State{Containers: []engine.Container{green}, Images: []engine.Image{{ID: "0"}}}}
	if pinned, err := d.goBack(); err != nil || pinned[stack.Platform] != "0" || d.release.version != "0" {
		t.Errorf("it goes back to %q of %q, %v", pinned[stack.Platform], d.release.version, err)
	}
}

// TestVersionsOfARelease: a build of no release has the moving images; a version that is
// asked for is taken as it is, but for the v of v1.2.3.
func TestVersionsOfARelease(t *testing.T) {
	for _, tt := range []struct{ setting, named, want string }{
		{"", "", "latest"}, // of the test's own binary
		{"1.2.3", "", "1.2.3"},
		{"v1.2.3", "", "1.2.3"},
		{"1.2.3", "v2.0.0", "2.0.0"},
		{"dev-2026", "", "dev-2026"},
		{"develop", "", "develop"},
		{"vnext", "", "vnext"},
		{"v", "", "v"},
		{"", "v1", "1"},
	} {
		s := &session{project: &project.Project{}, settings: project.Settings{"TALE_VERSION": {Text: tt.setting}}}
		if r := s.release(tt.named); r.version != tt.want || r.images[stack.DB] != officialRegistry+"/tale-db:"+tt.want {
			t.Errorf("TALE_VERSION=%q, --version %q: %s, %s", tt.setting, tt.named, r.version, r.images[stack.DB])
		}
	}
}

// TestGoingBackOnDataOfANewerRelease: it is refused however the older release comes to be
// asked for, also by a setting that was forgotten, and never for a newer one.
func TestGoingBackOnDataOfANewerRelease(t *testing.T) {
	p := &project.Project{Dir: filepath.Join(t.TempDir(), "my shop")}
	kept := p.Path("snapshots", "1.1.0.tar")
	testkit.WriteTree(t, p.Dir, map[string]string{".tale/snapshots/1.1.0.tar": ""})
	// The folder had another name when the snapshot was taken.
	if err := p.Record(project.Entry{Command: "tale deploy", Result: project.Done, From: "1.1.0", Release: "1.2.0", Snapshot: "/old/.tale/snapshots/1.1.0.tar"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		command, serves, wanted string
		options                 deployOptions
		action                  rollout.Action
		says                    string // "" where it is not refused
	}{
		{"rollback", "1.2.0", "1.1.0", deployOptions{rollback: true}, rollout.Rotate, "`tale rollback --accept-data-loss` goes back all the same, and `tale restore '" + kept + "'` then brings back"},
		{"rollback", "1.2.0", "1.0.0", deployOptions{rollback: true, version: "1.0.0"}, rollout.Rotate, "`tale rollback --version 1.0.0 --accept-data-loss` goes back all the same, and there is no snapshot"},
		{"deploy", "1.2.0", "1.1.0", deployOptions{}, rollout.Rotate, "; TALE_VERSION=1.2.0 in .env keeps the present one"},
		{"deploy", "2.0.0", "1.9.0", deployOptions{version: "1.9.0"}, rollout.Rotate, "`tale deploy --version 1.9.0 --accept-data-loss`"},
		{"rollback", "1.2.0", "1.1.0", deployOptions{rollback: true, loses: true}, rollout.Rotate, ""},
		{"rollback", "1.2.0", "1.3.0", deployOptions{rollback: true}, rollout.Rotate, ""},
		{"deploy", "1.2.3", "1.2.2", deployOptions{}, rollout.Rotate, ""},
		{"deploy", "1.2.0", "1.1.0", deployOptions{services: []string{"rag"}}, rollout.Keep, ""},
		{"deploy", "1.2.0", "latest", deployOptions{}, rollout.Rotate, ""},
	} {
		root, command := &cobra.Command{Use: "tale"}, &cobra.Command{Use: tt.command}
		root.AddCommand(command)
		serves := engine.Container{Service: stack.Platform, Version: tt.serves, State: engine.State{Running: true}}
		d := &deployment{
			session: &session{project: p}, options: tt.options, command: command, state: rollout.State{Containers: []engine.Container{serves}},
			plan: rollout.Plan{Version: tt.wanted, Changes: []rollout.Change{{Service: stack.Platform, Action: tt.action}}},
		}
		err := d.fitsData()
		if (err != nil) != (tt.says != "") || err != nil && (!strings.Contains(err.Error(), tt.says) || exit.Code(err) != exit.Config) {
			t.Errorf("%s from %s to %s: %v, want %q", tt.command, tt.serves, tt.wanted, err, tt.says)
		}
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

// TestTheSnapshotOfAKilledDeployIsKnown: the run notes it before it is taken.
func TestTheSnapshotOfAKilledDeployIsKnown(t *testing.T) {
	s, noted := newShop(t), ""
	command := &cobra.Command{Use: "deploy"}
	command.SetErr(io.Discard)
	opened, err := s.app.session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer opened.close()
	p, d := opened.project, &deployment{app: s.app, session: opened, options: deployOptions{snapshot: true}, command: command, out: s.app.progress(command, true), began: time.Now()}
	if d.state, err = d.observed(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		killed, _ := p.Unfinished()
		noted = killed.Snapshot
		return s.postgres.Program(container, command, in, out, errs)
	})
	if err := d.takeSnapshot(t.Context()); err != nil || noted == "" || noted != d.kept {
		t.Fatalf("%q is noted while %q is taken: %v", noted, d.kept, err)
	}
	if err := p.Record(ofRelease("2", false)); err != nil {
		t.Fatal(err)
	}
	testkit.WriteTree(t, p.Path(snapshots), map[string]string{"killed-1.tar.partial": "half"})
	var names []string
	old, err := d.oldSnapshots(1, 0)
	for _, snapshot := range old {
		names = append(names, snapshot.Path)
	}
	if want := []string{noted, p.Path(snapshots, "killed-1.tar.partial")}; !slices.Equal(names, want) || err != nil {
		t.Errorf("%q may go, %v, want %q", names, err, want)
	}
}

// TestSnapshotsThatMayGo: neither the last few, nor the way back to a release, nor a file
// that the history does not name.
func TestSnapshotsThatMayGo(t *testing.T) {
	s := &session{project: &project.Project{Dir: t.TempDir()}}
	for _, step := range []struct{ from, to, snapshot string }{
		{"0", "1", ""}, {"1", "2", "a-1.tar"}, {"2", "3", "b-2.tar"}, {"3", "4", "gone-3.tar"}, {"3", "4", "c-3.tar"}, {"4", "5", "d-4.tar"}, {"4", "5", "e-4.tar"},
	} {
		entry := ofRelease(step.to, false)
		if entry.From = step.from; step.snapshot != "" {
			entry.Snapshot = "/where/it/was/then/" + step.snapshot
			testkit.WriteTree(t, s.project.Path(snapshots), map[string]string{step.snapshot: "data"})
		}
		if err := s.project.Record(entry); err != nil {
			t.Fatal(err)
		}
	}
	testkit.WriteTree(t, s.project.Path(snapshots), map[string]string{"of-the-operator.tar": ""})
	if err := os.Remove(s.project.Path(snapshots, "gone-3.tar")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		releases, keep int
		want           string
	}{
		{1, 3, "b-2.tar a-1.tar"}, {1, 0, "d-4.tar c-3.tar b-2.tar a-1.tar"}, {0, 1, "d-4.tar c-3.tar b-2.tar a-1.tar"},
		{2, 1, "d-4.tar b-2.tar a-1.tar"}, {4, 1, "d-4.tar"}, {1, 5, ""},
	} {
		old, err := s.oldSnapshots(tt.releases, tt.keep)
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
