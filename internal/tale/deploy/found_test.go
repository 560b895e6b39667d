package deploy

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// TestAKilledRollbackToARemovedImageGoesOn: nobody knew the id of what was to be pulled.
func TestAKilledRollbackToARemovedImageGoesOn(t *testing.T) {
	p := &project.Project{Dir: t.TempDir()}
	killed := ofRelease("2", true)
	killed.Images[stack.Platform] = project.Image{Reference: "r/shop:2"}
	if err := errors.Join(p.Record(ofRelease("1", false)), p.Record(ofRelease("2", false)), p.Record(ofRelease("3", false)), p.Begin(killed)); err != nil {
		t.Fatal(err)
	}
	for _, serves := range []string{"2", "3"} {
		d := &deployment{Session: &session.Session{Project: p}, options: deployOptions{rollback: true}, state: rollout.State{Containers: []engine.Container{{Service: stack.Platform, Version: serves, ImageID: serves, State: engine.State{Running: true}}}}}
		if _, err := d.goBack(); err != nil || d.release.Version != "2" {
			t.Errorf("from %s it goes back to %q, %v", serves, d.release.Version, err)
		}
	}
}

// TestWhatIsFoundServing: what another folder has gone back to is no step forward, and what ended
// as soon as it had visitors has served since, if it did so for long.
func TestWhatIsFoundServing(t *testing.T) {
	for _, tt := range []struct {
		serves string
		since  time.Duration
		want   []string // the ways back after a deploy of 4
	}{
		{"3", time.Minute, []string{"1", "2"}},
		{"3", 2 * time.Hour, []string{"1", "2", "3"}},
		{"1", time.Minute, []string{"1"}},
		{"9", time.Minute, []string{"1", "2", "9"}},
	} {
		p, ended := &project.Project{Dir: t.TempDir()}, ofRelease("3", false)
		ended.Ended = true
		serves := engine.Container{Service: stack.Platform, ImageID: tt.serves, State: engine.State{Running: true, Started: time.Now().Add(-tt.since)}}
		d := &deployment{Session: &session.Session{Project: p}, state: rollout.State{Containers: []engine.Container{serves}}, target: rollout.Target{Services: []rollout.Wanted{{Service: stack.Platform}}}}
		if err := errors.Join(p.Record(ofRelease("1", false)), p.Record(ofRelease("2", false)), p.Record(ended), d.recordPredecessor(), p.Record(ofRelease("4", false))); err != nil {
			t.Fatal(err)
		}
		history, err := p.History()
		var ways []string
		for _, e := range project.Releases(history) {
			if !e.Ended && e.Release != "4" {
				ways = append(ways, imageOf(e))
			}
		}
		if err != nil || !slices.Equal(ways, tt.want) {
			t.Errorf("%s for %s: the ways back are %q, %v, want %q", tt.serves, tt.since, ways, err, tt.want)
		}
	}
}
