package deploy

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/data"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
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
		{"behind its entry", "2", "", "2", true},
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
			if tt.name == "behind its entry" {
				if err := p.Append(ofRelease("2", true)); err != nil {
					t.Fatal(err)
				}
			}
			serves := engine.Container{Service: stack.Platform, ImageID: tt.serves, State: engine.State{Running: true}}
			d := &deployment{Session: &session.Session{Project: p}, options: deployOptions{rollback: true, version: tt.asked}, state: rollout.State{
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
		d := &deployment{Session: &session.Session{Project: p}, options: deployOptions{rollback: true}, state: state}
		pinned, err := d.goBack()
		if err != nil || pinned[stack.Platform] != wantID {
			t.Errorf("it is pinned to %q, %v, want %q", pinned[stack.Platform], err, wantID)
		}
		if r := d.release; r.Version != "1" || r.Images[stack.Platform] != "r.example:5000/shop:1" || r.Versions[stack.Platform] != "1" {
			t.Errorf("the release is %+v", r)
		}
	}
}

// TestARollbackToWhatNeverServed: where tale.json names the image with its tag, that would be
// a deploy of what serves already, which looks like success.
func TestARollbackToWhatNeverServed(t *testing.T) {
	for image, want := range map[string]int{"r/shop:2": exit.Usage, "r/shop:9": 0, "r/shop": 0, "": 0} {
		p := &project.Project{Dir: t.TempDir(), File: project.File{Services: []string{stack.Platform}, Images: map[string]string{stack.Platform: image}}}
		for _, release := range []string{"1", "2"} {
			if err := p.Record(ofRelease(release, false)); err != nil {
				t.Fatal(err)
			}
		}
		serves := engine.Container{Service: stack.Platform, ImageID: "2", State: engine.State{Running: true}}
		d := &deployment{Session: &session.Session{Project: p}, options: deployOptions{rollback: true, version: "9"}, state: rollout.State{Containers: []engine.Container{serves}}}
		if _, err := d.goBack(); exit.Code(err) != want {
			t.Errorf("%q: exit code %d, %v, want %d", image, exit.Code(err), err, want)
		}
	}
}

// TestARollbackInAnotherCheckout: what has stopped says what served before, unless it had failed.
func TestARollbackInAnotherCheckout(t *testing.T) {
	serves := engine.Container{ID: "b", Name: "p-platform-blue", Service: stack.Platform, Version: "2", ImageID: "2", State: engine.State{Running: true}}
	const none = "shows none that served before the present one"
	for _, tt := range []struct {
		version, status string
		code            int
		says            string
	}{
		{"1", "exited", 0, "`tale rollback --version 1`"}, {"1", "exited", 1, none}, {"1", "created", 0, none}, {"1", "running", 0, none}, {"", "exited", 0, none},
	} {
		before := engine.Container{ID: "g", Name: "p-platform-green", Service: stack.Platform, Version: tt.version, ImageID: "1", State: engine.State{Status: tt.status, ExitCode: tt.code}}
		d := &deployment{Session: &session.Session{Project: &project.Project{Dir: t.TempDir()}}, options: deployOptions{rollback: true}, state: rollout.State{Containers: []engine.Container{before, serves}}}
		if _, err := d.goBack(); exit.Code(err) != exit.Failure || !strings.HasSuffix(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// TestARollbackLeadsToWhatWasTakenOver: another tool made it, and kept no history of ours.
func TestARollbackLeadsToWhatWasTakenOver(t *testing.T) {
	p := &project.Project{Dir: t.TempDir()}
	blue := engine.Container{ID: "b", Service: stack.Platform, Version: "0", Image: "r/shop:0", ImageID: "0", State: engine.State{Running: true}}
	d := &deployment{Session: &session.Session{Project: p}, state: rollout.State{Containers: []engine.Container{blue}}, target: rollout.Target{Services: []rollout.Wanted{{Service: stack.Platform}}}}
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
	d = &deployment{Session: &session.Session{Project: p}, options: deployOptions{rollback: true}, state: rollout.State{Containers: []engine.Container{green}, Images: []engine.Image{{ID: "0"}}}}
	if pinned, err := d.goBack(); err != nil || pinned[stack.Platform] != "0" || d.release.Version != "0" {
		t.Errorf("it goes back to %q of %q, %v", pinned[stack.Platform], d.release.Version, err)
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
		{"deploy", "1.2.0", "1.0.5", deployOptions{}, rollout.Rotate, "; the tag 1.2.0 of the web application's image in tale.json keeps the present one"},
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
			Session: &session.Session{Project: p}, options: tt.options, command: command, state: rollout.State{Containers: []engine.Container{serves}},
			plan: rollout.Plan{Version: tt.wanted, Changes: []rollout.Change{{Service: stack.Platform, Action: tt.action}}},
		}
		if d.plan.Version == "1.0.5" {
			d.Project = &project.Project{Dir: p.Dir, File: project.File{Images: map[string]string{stack.Platform: "r/shop:1.0.5"}}}
		}
		err := d.fitsData()
		if (err != nil) != (tt.says != "") || err != nil && (!strings.Contains(err.Error(), tt.says) || exit.Code(err) != exit.Config) {
			t.Errorf("%s from %s to %s: %v, want %q", tt.command, tt.serves, tt.wanted, err, tt.says)
		}
	}
}

// TestTheWayBackThatIsNamed is one that rollback takes as it stands there.
func TestTheWayBackThatIsNamed(t *testing.T) {
	for _, tt := range []struct{ history, want string }{
		{"", "next: tale status"},
		{"1.0.0", "next: tale status"},
		{"1.0.0 1.0.0", "next: tale status"}, // its settings differed
		{"1.0.0 1.0.1", "next: tale status, or back to 1.0.0 with: tale rollback"},
		{"1.0.0 1.1.0", "next: tale status, or back to 1.0.0, if it can read the data of 1.1.0, with: tale rollback --accept-data-loss"},
		{"1.0.0 1.1.0 1.2.0 <1.1.0", "next: tale status, or back to 1.0.0, if it can read the data of 1.1.0, with: tale rollback --accept-data-loss"},
		{"< 1.1.0", "next: tale status, or back to what served before with: tale rollback"}, // another tool's image has no version
		{"1.2.0 1.1.9", "next: tale status, or back to 1.2.0 with: tale rollback"},
		{"1.0.0 1.0.1 <1.0.0", "next: tale status"},
	} {
		d := &deployment{Session: &session.Session{Project: &project.Project{Dir: t.TempDir()}}}
		for name := range strings.FieldsSeq(tt.history) {
			if err := d.Project.Record(ofRelease(strings.TrimPrefix(name, "<"), strings.HasPrefix(name, "<"))); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.next(); got != tt.want {
			t.Errorf("after %s: %q, want %q", tt.history, got, tt.want)
		}
	}
}

// TestTheSnapshotOfAKilledDeployIsKnown: the run notes it before it is taken.
func TestTheSnapshotOfAKilledDeployIsKnown(t *testing.T) {
	s, noted := taletest.NewShop(t), ""
	command := &cobra.Command{Use: "deploy"}
	command.SetErr(io.Discard)
	opened, err := s.App.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	p, d := opened.Project, &deployment{app: &app{s.App}, Session: opened, options: deployOptions{snapshot: true}, command: command, out: s.App.Progress(command, true), began: time.Now()}
	if d.state, err = d.Observed(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		killed, _ := p.Unfinished()
		noted = killed.Snapshot
		return s.Postgres.Program(container, command, in, out, errs)
	})
	if err := d.takeSnapshot(t.Context()); err != nil || noted == "" || noted != d.kept {
		t.Fatalf("%q is noted while %q is taken: %v", noted, d.kept, err)
	}
	if err := p.Record(ofRelease("2", false)); err != nil {
		t.Fatal(err)
	}
	testkit.WriteTree(t, p.Path("snapshots"), map[string]string{"killed-1.tar.partial": "half"})
	var names []string
	old, err := data.OldSnapshots(d.Session, 1, 0)
	for _, snapshot := range old {
		names = append(names, snapshot.Path)
	}
	if want := []string{noted, p.Path("snapshots", "killed-1.tar.partial")}; !slices.Equal(names, want) || err != nil {
		t.Errorf("%q may go, %v, want %q", names, err, want)
	}
}
