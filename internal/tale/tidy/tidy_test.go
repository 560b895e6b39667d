package tidy_test

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/tidy"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const id = "shop-0a1b2c"

// host is an engine with a whole stack, a retired colour, and what belongs to others.
type host struct {
	*enginetest.Server
	engine *engine.Engine
}

func newHost(t *testing.T) host {
	h := host{Server: enginetest.New(t)}
	h.engine = h.Connect(t, engine.Options{})
	own := map[string]string{engine.LabelProject: id}
	h.AddNetwork(id+"_internal", own)
	h.AddVolume(id+"_db-data", own)
	h.AddVolume(id+"_convex-data", map[string]string{"project": id}) // of the first deploy tool
	h.AddVolume(id+"_foreign", nil)
	h.AddVolume("other_data", map[string]string{"project": "other"})
	for _, service := range stack.Services() {
		if !service.Rotates {
			h.add(service.Name, "", id)
			continue
		}
		h.add(service.Name, stack.Blue, id+"-blue")
		h.Die(id+"-"+service.Name+"-blue", 0, false)
		h.add(service.Name, stack.Green, id+"-green")
	}
	h.AddContainer(enginetest.Container{Name: "other-db", Image: "x/db", Project: "other", Service: "db", Running: true})
	return h
}

func (h host) add(service, colour, project string) {
	name := stack.Coloured(service, colour)
	h.AddContainer(enginetest.Container{Name: id + "-" + name, Image: "x/" + service, Project: project, Service: name, Running: true, Stop: time.Minute})
}

func (h host) containers(t *testing.T) []engine.Container {
	t.Helper()
	containers, err := h.engine.Containers(t.Context(), compose.Projects(id)...)
	if err != nil {
		t.Fatal(err)
	}
	return containers
}

// run carries a plan out and returns what the engine was asked to change, in words.
func (h host) run(t *testing.T, plan tidy.Plan) []string {
	t.Helper()
	names := map[string]string{}
	for _, c := range h.containers(t) {
		names[c.ID] = strings.TrimPrefix(c.Name, id+"-")
	}
	before := len(h.Changes())
	var mu sync.Mutex
	if err := plan.Run(t.Context(), h.engine, func(string) { mu.Lock(); defer mu.Unlock() }); err != nil {
		t.Fatal(err)
	}
	var changes []string
	for _, change := range h.Changes()[before:] {
		for containerID, name := range names {
			change = strings.ReplaceAll(change, containerID, name)
		}
		changes = append(changes, change)
	}
	return changes
}

// TestSnapshotsAreNamedAndRemoved: one that is gone already keeps no other from it.
func TestSnapshotsAreNamedAndRemoved(t *testing.T) {
	h, dir := newHost(t), t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{"a.tar": "a", "b.tar": "b"})
	plan := tidy.Cleanup(id, rollout.State{}, func([]string) []engine.Image { return nil })
	for _, name := range []string{"gone.tar", "a.tar"} {
		plan.Snapshots = append(plan.Snapshots, tidy.Snapshot{Path: filepath.Join(dir, name), Bytes: 1})
	}
	if text := plan.Text(); plan.Empty() || !strings.Contains(text, "remove   the snapshot "+filepath.Join(dir, "a.tar")+", 1 B\n") {
		t.Error(text)
	}
	err := plan.Run(t.Context(), h.engine, func(string) {})
	if left, _ := filepath.Glob(dir + "/*"); !slices.Equal(left, []string{filepath.Join(dir, "b.tar")}) || err == nil {
		t.Errorf("%q are left, %v", left, err)
	}
}

func TestCleanupTakesWhatIsReplacedAndNoMore(t *testing.T) {
	h := newHost(t)
	state := rollout.State{Containers: h.containers(t)}
	plan := tidy.Cleanup(id, state, func(gone []string) []engine.Image {
		if len(gone) != 3 {
			t.Errorf("%d containers go", len(gone))
		}
		return nil
	})
	changes := h.run(t, plan)
	slices.Sort(changes)
	if want := []string{"DELETE /containers/crawler-blue", "DELETE /containers/platform-blue", "DELETE /containers/rag-blue"}; !slices.Equal(changes, want) {
		t.Errorf("it did %q, want %q", changes, want)
	}
	if plan = tidy.Cleanup(id, rollout.State{Containers: h.containers(t)}, func([]string) []engine.Image { return nil }); !plan.Empty() {
		t.Errorf("there is more: %+v", plan)
	}
}

// A second colour that runs is an unfinished deploy's, and of a stack that has stopped
// what served last stays.
func TestCleanupLeavesWhatMayBeNeeded(t *testing.T) {
	h := newHost(t)
	if err := h.engine.Start(t.Context(), id+"-platform-blue"); err != nil {
		t.Fatal(err)
	}
	none := func([]string) []engine.Image { return nil }
	plan := tidy.Cleanup(id, rollout.State{Containers: h.containers(t)}, none)
	if len(plan.Remove) != 2 || len(plan.Notes) != 1 {
		t.Errorf("beside a second colour that runs: %+v", plan)
	}
	h.run(t, tidy.Stop(id, h.containers(t)))
	plan = tidy.Cleanup(id, rollout.State{Containers: h.containers(t)}, none)
	if len(plan.Remove) != 3 || slices.ContainsFunc(plan.Remove, func(c tidy.Container) bool { return c.Service == stack.DB }) {
		t.Errorf("of a stack that has stopped: %+v", plan)
	}
}

func TestStopInOrder(t *testing.T) {
	h := newHost(t)
	changes := h.run(t, tidy.Stop(id, h.containers(t)))
	slices.Sort(changes[1:3]) // at once
	want := []string{
		"POST /containers/platform-green/stop", "POST /containers/crawler-green/stop", "POST /containers/rag-green/stop",
		"POST /containers/proxy/stop", "POST /containers/convex/stop", "POST /containers/db/stop",
	}
	if !slices.Equal(changes, want) {
		t.Errorf("it did %q, want %q", changes, want)
	}
	if !tidy.Stop(id, h.containers(t)).Empty() {
		t.Error("something runs still")
	}
}

func TestReset(t *testing.T) {
	for name, tt := range map[string]struct {
		all, volumes bool
		left         int // containers
		removed      []string
		notes        int
	}{
		"colours":    {false, false, 3, nil, 0},
		"all":        {true, false, 0, []string{"network"}, 0},
		"everything": {true, true, 0, []string{"network", id + "_db-data", id + "_convex-data"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			network, exists, err := h.engine.Network(t.Context(), id+"_internal")
			if err != nil {
				t.Fatal(err)
			}
			volumes, err := h.engine.Volumes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			plan := tidy.Reset(id, h.containers(t), tt.all, tt.volumes, tidy.Ground{Network: network, Exists: exists, Volumes: volumes})
			h.run(t, plan)
			if left := h.containers(t); len(left) != tt.left || len(plan.Notes) != tt.notes {
				t.Errorf("%d containers are left; notes: %q", len(left), plan.Notes)
			}
			after, err := h.engine.Volumes(t.Context())
			_, there, wrong := h.engine.Network(t.Context(), id+"_internal")
			if err != nil || wrong != nil {
				t.Fatal(err, wrong)
			}
			gone := len(volumes) - len(after)
			if !there {
				gone++
			}
			if gone != len(tt.removed) {
				t.Errorf("%d things are gone, want %q", gone, tt.removed)
			}
			if foreign, err := h.engine.Inspect(t.Context(), "other-db"); err != nil || !foreign.State.Running {
				t.Errorf("another project's: %+v, %v", foreign.State, err)
			}
		})
	}
}

// Nothing is removed while something could not be stopped, and the rest of what cannot be
// removed does not keep the others.
func TestWhatCannotBeDone(t *testing.T) {
	h := newHost(t)
	plan := tidy.Reset(id, h.containers(t), true, false, tidy.Ground{})
	h.Fault("POST", "/containers/*/stop", enginetest.Fault{Status: 500, Message: "tired"}, 1)
	if err := plan.Run(t.Context(), h.engine, func(string) {}); err == nil || !strings.Contains(err.Error(), "tired") || len(h.containers(t)) != 9 {
		t.Errorf("%v; %d containers are left", err, len(h.containers(t)))
	}
	h.Fault("DELETE", "/containers/*", enginetest.Fault{Status: 500, Message: "busy"}, 1)
	plan = tidy.Reset(id, h.containers(t), true, false, tidy.Ground{})
	if err := plan.Run(t.Context(), h.engine, func(string) {}); err == nil || !strings.Contains(err.Error(), "busy") || len(h.containers(t)) != 1 {
		t.Errorf("%v; %d containers are left", err, len(h.containers(t)))
	}
}

func TestPlanForPeople(t *testing.T) {
	plan := tidy.Plan{
		Stop: []tidy.Container{{Name: "a"}}, Remove: []tidy.Container{{Name: "b", State: "exited (1)"}}, Network: "n", Volumes: []string{"v"},
		Images: []tidy.Image{{ID: "sha256:1", Names: []string{"x:1"}, Bytes: 3_000_000}}, Notes: []string{"so"},
	}
	want := `stop     a
remove   b, version unknown, exited (1)
remove   the network n
remove   the volume v AND ITS DATA
remove   the image x:1, 3.0 MB
frees    up to 3.0 MB: layers that other images share stay
note     so
`
	if text := plan.Text(); text != want {
		t.Error(text)
	}
}
