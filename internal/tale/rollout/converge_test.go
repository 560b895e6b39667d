package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// randomState returns what any history of deploys, kills and hands may have left.
func randomState(random *rand.Rand) rollout.State {
	marks := []func(*engine.Container){upToDate, later, stopped, sick, crashing, boots, foreign, other, cut, unjoined, func(*engine.Container) {}}
	var containers, offers []engine.Container
	for _, service := range []string{stack.DB, stack.Convex, stack.Platform, stack.RAG, stack.Crawler} {
		for _, colour := range []string{"", stack.Blue, stack.Green} {
			if rotates := service != stack.DB && service != stack.Convex; rotates == (colour == "") || random.IntN(3) == 0 {
				continue
			}
			var picked []func(*engine.Container)
			for range random.IntN(4) {
				picked = append(picked, marks[random.IntN(len(marks))])
			}
			c := runs(service, colour, picked...)
			containers = append(containers, c)
			if service == stack.Platform && c.State.Running && len(c.Aliases) > 0 && random.IntN(2) == 0 {
				offers = append(offers, c)
			}
		}
	}
	s := state(rollout.Serving{}, containers...)
	if random.IntN(4) > 0 {
		s.Serving = offered(offers...)
	}
	return s
}

// newerThan returns a colour of the web application that the proxy goes on to once it has probed
// it: it prefers the newer of two, and a run that waits for the older one waits in vain.
func newerThan(s rollout.State, plan rollout.Plan) (found []string) {
	change, there := plan.Of(stack.Platform)
	if !there || change.Action == rollout.Keep || change.Action == rollout.Create || change.Action == rollout.Rotate && !change.Resume {
		return nil // what is made now is the newest
	}
	i := slices.IndexFunc(s.Containers, func(c engine.Container) bool { return c.ID == stack.Platform+change.Colour })
	for _, c := range s.Containers {
		if c.Service == stack.Platform && c.State.Running && goesOn(s, c, s.Containers[i]) && !slices.ContainsFunc(plan.Remove, func(r rollout.Remove) bool { return r.Container == c.ID && !r.After }) {
			found = append(found, c.ID)
		}
	}
	return found
}

// goesOn reports whether the proxy goes on from one colour to another: its list has the newest first,
// and what it finds later is newer. One that cannot be asked is supposed to have seen them made.
func goesOn(s rollout.State, to, from engine.Container) bool {
	if len(s.Serving.Upstreams) == 0 {
		return to.Created.After(from.Created)
	}
	at := func(c engine.Container) int {
		return slices.IndexFunc(s.Serving.Upstreams[0].Addresses, func(a rollout.Address) bool { return a.Address == c.Addresses["p_internal"]+":3000" })
	}
	a, b := at(to), at(from)
	if a < 0 && b < 0 {
		return to.Created.After(from.Created)
	}
	return a < b
}

// apply does what a plan says, as a run that succeeds does.
func apply(s rollout.State, plan rollout.Plan, wants []rollout.Wanted) rollout.State {
	gone := func(id string) {
		s.Containers = slices.DeleteFunc(slices.Clone(s.Containers), func(c engine.Container) bool { return c.ID == id })
	}
	for _, r := range plan.Remove {
		gone(r.Container)
	}
	for _, change := range plan.Changes {
		i := slices.IndexFunc(wants, func(w rollout.Wanted) bool { return w.Service == change.Service })
		made := wants[i].Made[change.Colour]
		is := runs(change.Service, change.Colour)
		is.ID = change.Service + change.Colour
		is.Version, is.Image, is.ImageID, is.Hash, is.Environment = change.To.Version, change.To.Image, change.To.ImageID, made.Hash, made.Environment
		is.Created = morning.Add(2 * time.Hour)
		switch change.Action {
		case rollout.Create, rollout.Rotate, rollout.Recreate:
			gone(is.ID)
			s.Containers = append(s.Containers, is)
		case rollout.Await, rollout.Start:
			for j := range s.Containers {
				if s.Containers[j].ID == is.ID {
					s.Containers[j].State, s.Containers[j].Aliases = is.State, is.Aliases
				}
			}
		}
		for j := range s.Containers {
			if s.Containers[j].ID == change.Retire {
				s.Containers[j].State = engine.State{Status: "exited", Finished: morning.Add(3 * time.Hour)}
			}
		}
		if change.Service == stack.Platform {
			for _, c := range s.Containers {
				if c.ID == is.ID {
					s.Serving = offered(c)
				}
			}
		}
	}
	return s
}

// TestPlansConverge: whatever there is, a plan removes and stops nothing that serves
// before something else does, and once it is carried out there is nothing more to do.
func TestPlansConverge(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	wants := []rollout.Wanted{wanted(stack.DB), wanted(stack.Convex), wanted(stack.Platform), wanted(stack.RAG)}
	for round := range 20000 {
		before := randomState(random)
		scope := []rollout.Scope{{}, {All: true}, {Rollback: true}, {Only: []string{stack.RAG}}}[random.IntN(4)]
		plan := rollout.NewPlan(before, target(scope, wants...))
		about := func() string { return fmt.Sprintf("round %d, %+v\n%s", round, before, brief(plan)) }
		for _, service := range []string{stack.Platform, stack.RAG} {
			current, there := before.Current(service)
			if !there {
				continue
			}
			if slices.ContainsFunc(plan.Remove, func(r rollout.Remove) bool { return r.Container == current.ID && !r.After }) {
				t.Fatalf("what serves is removed: %s", about())
			}
			if change, _ := plan.Of(service); change.Retire == current.ID && change.Action != rollout.Rotate {
				t.Fatalf("what serves is stopped: %s", about())
			}
		}
		if newer := newerThan(before, plan); newer != nil {
			t.Fatalf("the proxy goes on to %s: %s", newer, about())
		}
		after := apply(before, plan, wants)
		if again := rollout.NewPlan(after, target(scope, wants...)); !again.Empty() {
			t.Fatalf("there is more to do, %s: after %s\nthere is %+v", brief(again), about(), after)
		}
	}
}
