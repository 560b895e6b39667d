package deploy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// past is what has served, as the engine had it: the last one serves, or is to.
type past []struct {
	image string
	ended bool
}

// back returns how many of it are left when a rollback has led to the last of them, 0 for none.
func (p past) back() int {
	present := p[len(p)-1].image
	for i, e := range slices.Backward(p) {
		if e.image != present && !e.ended {
			return i + 1
		}
	}
	return 0
}

// walk is a project without an engine, whose colours are made and ended by hand.
type walk struct {
	*testing.T
	project *project.Project
	blue    engine.Container // serves, or did so last
	green   engine.Container // has ended while the one before it drained
	past    past
	killed  *project.Entry // the last run, if it was killed after the switch
	now     time.Time
	ahead   time.Duration // of the engine's clock
	steps   string
}

func (w *walk) deployment() *deployment {
	d := &deployment{Session: &session.Session{Project: w.project}, target: rollout.Target{Services: []rollout.Wanted{{Service: stack.Platform}}}}
	for _, c := range []engine.Container{w.blue, w.green} {
		if c.ID != "" {
			d.state.Containers = append(d.state.Containers, c)
			d.state.Images = append(d.state.Images, engine.Image{ID: c.ImageID})
		}
	}
	for i := range 5 {
		d.state.Images = append(d.state.Images, engine.Image{ID: strconv.Itoa(i)})
	}
	return d
}

// outcome is how a run ends.
type outcome struct {
	ended, forGood bool // the release ended as soon as it had visitors
	killed         bool // the run, after the switch
}

func (o outcome) String() string {
	return map[bool]string{true: "!"}[o.ended] + map[bool]string{true: "!"}[o.forGood] + map[bool]string{true: "k"}[o.killed]
}

// bring brings an image, and notes it as a run does.
func (w *walk) bring(d *deployment, image string, back bool, o outcome) {
	entry := ofRelease(image, back)
	entry.Time, entry.Ended = w.now, o.ended
	w.must(d.recordPredecessor())
	w.must(w.project.Begin(entry))
	w.now = w.now.Add(time.Minute)
	at := w.now.Add(w.ahead)
	fresh := engine.Container{ID: w.now.String(), Service: stack.Platform, Version: image, ImageID: image, Created: at, State: engine.State{Running: true, Started: at}}
	w.now = w.now.Add(time.Minute)
	if w.green = (engine.Container{}); !o.forGood {
		w.blue = fresh
	} else if w.blue.State.Running {
		w.blue.State = engine.State{Finished: at.Add(time.Second)}
	}
	if o.forGood {
		fresh.State = engine.State{Finished: at}
		w.green = fresh
	}
	if w.killed = nil; o.killed {
		w.killed = &entry
		return
	}
	w.must(w.project.Append(entry))
	w.must(w.project.Finish())
}

func (w *walk) must(err error) {
	if err != nil {
		w.Fatal(err)
	}
}

// step deploys, or rolls back, and stops the stack now and then.
func (w *walk) step() {
	kind, image := rand.IntN(12), strconv.Itoa(rand.IntN(5))
	o := outcome{ended: kind < 3, forGood: kind == 0 && w.blue.State.Running, killed: kind == 4 || kind == 11}
	n := len(w.past)
	if n > 0 && kind > 5 {
		w.rollback(o)
		return
	}
	again := n > 0 && w.past[n-1].image == image
	if again && w.killed == nil {
		return // nothing to do
	} else if again {
		o = outcome{}
	}
	w.steps += fmt.Sprintf(" %s%v", image, o)
	w.bring(w.deployment(), image, false, o)
	if !again {
		w.past = append(w.past, past{{image, o.ended}}...)
	}
	if kind == 5 {
		w.steps += " stop"
		w.blue.State = engine.State{Finished: w.now.Add(w.ahead)}
	}
}

func (w *walk) rollback(o outcome) {
	w.steps += fmt.Sprintf(" <%v", o)
	d, left, want := w.deployment(), w.past.back(), ""
	if w.killed != nil && w.killed.Rollback { // it had come to where it was going
		left, o = len(w.past), outcome{}
	}
	if left > 0 {
		want = w.past[left-1].image
	}
	pinned, err := d.goBack()
	if pinned[stack.Platform] != want || (err != nil) != (want == "") {
		w.Fatalf("after%s it goes back to %q, %v, want %q", w.steps, pinned[stack.Platform], err, want)
	}
	switch {
	case want == "":
	case o.ended:
		w.bring(d, want, true, o)
		w.past = append(w.past, past{{want, true}}...)
	default:
		w.bring(d, want, true, o)
		w.past = w.past[:left]
	}
}

// TestAnyWayBack: after whatever was deployed, ended, killed and brought back, a rollback leads to what
// served before the present release, also where the engine's clock is another one.
func TestAnyWayBack(t *testing.T) {
	for range 500 {
		w := &walk{T: t, project: &project.Project{Dir: t.TempDir()}, now: time.Now(), ahead: time.Duration(rand.IntN(3)-1) * time.Hour}
		for range 12 {
			w.step()
		}
	}
}
