package engine_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestContainersOfProjectsAlone(t *testing.T) {
	server, e := fake(t)
	server.AddImage(enginetest.Image{Tags: []string{"shop/platform:1.4"}, Labels: map[string]string{engine.LabelImageVersion: "1.4.2"}})
	server.AddContainer(enginetest.Container{
		Name: "shop-platform-blue", Image: "shop/platform:1.4", Project: "shop-blue", Service: "platform-blue",
		Environment: map[string]string{"A": "1=2"}, Networks: map[string][]string{"shop_internal": {"platform", "platform-blue"}},
		Volumes: map[string]string{"/app/data": "shop_convex-data"}, Stop: 45 * time.Second, HealthCheck: true, Running: true,
	})
	server.AddContainer(enginetest.Container{Name: "shop-db", Image: "shop/db:1.3", Project: "shop", Service: "db"})
	server.AddContainer(enginetest.Container{Name: "shopping", Image: "x:1", Project: "shopping", Service: "db", Running: true})
	server.AddContainer(enginetest.Container{Name: "alone", Image: "x:1", Running: true})
	found := must[[]engine.Container](t)(e.Containers(t.Context(), "shop", "shop-blue", "shop-green"))
	if len(found) != 2 || found[0].Name != "shop-db" || found[1].Name != "shop-platform-blue" {
		t.Fatalf("%+v", found)
	}
	want := engine.Container{
		Name: "shop-platform-blue", ComposeProject: "shop-blue", Service: "platform", Colour: "blue", Version: "1.4.2", Image: "shop/platform:1.4",
		Environment: map[string]string{"A": "1=2"}, Aliases: map[string][]string{"shop_internal": {"platform", "platform-blue"}},
		Mounts: []engine.Mount{{Volume: "shop_convex-data", Path: "/app/data"}}, StopTimeout: 45 * time.Second,
	}
	got := found[1]
	if !strings.HasPrefix(got.Addresses["shop_internal"], "10.") || !strings.HasPrefix(got.ImageID, "sha256:") || got.Created.IsZero() || got.State.Started.IsZero() || !got.State.Finished.IsZero() || !got.State.Running || got.State.Health != "healthy" {
		t.Errorf("%+v", got)
	}
	got.ID, got.ImageID, got.Addresses, got.Labels, got.Created, got.State = "", "", nil, nil, time.Time{}, engine.State{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if v := found[0].Version; v != "1.3" {
		t.Errorf("version by tag: %q", v)
	}
}

func TestContainersAskOncePerContainer(t *testing.T) {
	server, e := fake(t)
	for _, name := range []string{"a", "b", "c"} {
		server.AddContainer(enginetest.Container{Name: name, Image: "x:1", Project: "shop", Service: "db"})
		server.AddContainer(enginetest.Container{Name: "foreign-" + name, Image: "x:1", Project: "else", Service: "db"})
	}
	before := len(server.Calls())
	must[[]engine.Container](t)(e.Containers(t.Context(), "shop"))
	if calls := server.Calls()[before:]; len(calls) != 4 {
		t.Errorf("%d calls: %v", len(calls), calls)
	}
}

// TestAContainerWhoseTagMovedOn is known by what it was made of.
func TestAContainerWhoseTagMovedOn(t *testing.T) {
	server, e := fake(t)
	old := server.AddImage(enginetest.Image{Tags: []string{"x:1"}})
	id := server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Labels: map[string]string{engine.LabelProject: "shop-2"}})
	server.AddImage(enginetest.Image{ID: "sha256:" + strings.Repeat("7", 64), Tags: []string{"x:1"}})
	found := must[[]engine.Container](t)(e.Everything(t.Context()))
	if len(found) != 1 || found[0].Image != "x:1" || found[0].ImageID != old.ID {
		t.Errorf("%+v", found)
	}
	server.Fault("GET", "/containers/"+id+"/json", enginetest.Fault{Status: 404, Message: "No such container"}, 1)
	if found = must[[]engine.Container](t)(e.Everything(t.Context())); len(found) != 1 || found[0].Image != old.ID {
		t.Errorf("removed since the list: %+v", found)
	}
}

func TestContainerRemovedSinceTheListIsLeftOut(t *testing.T) {
	server, e := fake(t)
	gone := server.AddContainer(enginetest.Container{Name: "gone", Image: "x:1", Project: "shop", Service: "db"})
	server.AddContainer(enginetest.Container{Name: "there", Image: "x:1", Project: "shop", Service: "proxy"})
	server.Fault("GET", "/containers/"+gone+"/json", enginetest.Fault{Status: 404, Message: "No such container: " + gone}, 1)
	found := must[[]engine.Container](t)(e.Containers(t.Context(), "shop"))
	if len(found) != 1 || found[0].Name != "there" {
		t.Errorf("%+v", found)
	}
	server.Fault("GET", "/containers/"+gone+"/json", enginetest.Fault{Status: 500, Message: "the reason"}, 1)
	if _, err := e.Containers(t.Context(), "shop"); err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("another failure is swallowed: %v", err)
	}
}

func TestEverythingIsOneCall(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Volumes: map[string]string{"/data": "v"}, Running: true})
	server.AddContainer(enginetest.Container{Name: "stopped", Image: "x:1"})
	before := len(server.Calls())
	found := must[[]engine.Container](t)(e.Everything(t.Context()))
	if calls := server.Calls()[before:]; len(calls) != 1 {
		t.Errorf("%v", calls)
	}
	if len(found) != 2 || found[0].Name != "web" || !found[0].State.Running || found[1].State.Running || found[0].Mounts[0] != (engine.Mount{Volume: "v", Path: "/data"}) {
		t.Errorf("%+v", found)
	}
}

func TestChangesThatAreDoneAlreadyAreNoErrors(t *testing.T) {
	server, e := fake(t)
	server.AddNetwork("net", nil)
	id := server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Project: "shop", Service: "db", Running: true})
	for name, change := range map[string]func(context.Context) error{
		"stop what is gone":                     func(ctx context.Context) error { return e.Stop(ctx, "none", 0) },
		"stop what is gone, with a grace":       func(ctx context.Context) error { return e.Stop(ctx, "none", time.Second) },
		"remove what is gone":                   func(ctx context.Context) error { return e.Remove(ctx, "none") },
		"disconnect what is not connected":      func(ctx context.Context) error { return e.Disconnect(ctx, "net", id) },
		"disconnect from a network that is not": func(ctx context.Context) error { return e.Disconnect(ctx, "none", id) },
		"create a network that is there":        func(ctx context.Context) error { return e.CreateNetwork(ctx, "net", nil) },
		"remove a volume that is gone":          func(ctx context.Context) error { return e.RemoveVolume(ctx, "none") },
		"remove a network that is gone":         func(ctx context.Context) error { return e.RemoveNetwork(ctx, "none") },
		"remove an image that is gone":          func(ctx context.Context) error { return e.RemoveImage(ctx, "none:1") },
		"start what runs":                       func(ctx context.Context) error { return e.Start(ctx, id) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := change(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	if err := e.Remove(t.Context(), id); !engine.IsConflict(err) {
		t.Errorf("a running container: %v", err)
	}
}

// An engine gives each network a part of its addresses, of which there are thirty by default.
// TestAContainerThatRemovesItself is gone when Remove returns; one that runs is not waited for.
func TestAContainerThatRemovesItself(t *testing.T) {
	server, e := fake(t)
	for _, name := range []string{"ends", "runs"} {
		server.AddContainer(enginetest.Container{Name: name, Image: "x:1", Running: name == "runs"})
	}
	server.Fault("DELETE", "/containers/ends", enginetest.Fault{Status: http.StatusConflict, Message: "removal of container ends is already in progress"}, 3)
	if err := e.Remove(t.Context(), "ends"); err != nil {
		t.Error(err)
	}
	if err := e.Remove(t.Context(), "runs"); !engine.IsConflict(err) {
		t.Errorf("one that runs: %v", err)
	}
	left := must[[]engine.Container](t)(e.Everything(t.Context()))
	if len(left) != 1 || left[0].Name != "runs" {
		t.Errorf("%+v are left", left)
	}
}

func TestNoAddressesForAnotherNetwork(t *testing.T) {
	server, e := fake(t)
	for _, said := range []string{
		"could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network", // 20.10
		"all predefined address pools have been fully subnetted",
	} {
		server.Fault("POST", "/networks/create", enginetest.Fault{Status: 500, Message: said}, 1)
		testkit.WantError(t, e.CreateNetwork(t.Context(), "net", nil), exit.Failure, "docker network ls", "default-address-pools", said)
	}
}

func TestChangesReachTheEngine(t *testing.T) {
	server, e := fake(t)
	ctx := t.Context()
	id := server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Project: "shop", Service: "db", Networks: map[string][]string{"net": {"web-alias"}}, Volumes: map[string]string{"/d": "data"}, Running: true})
	for _, err := range []error{
		e.Disconnect(ctx, "net", id), e.Join(ctx, "net", id, "again"), e.CreateVolume(ctx, "v", map[string]string{"l": "1"}), e.CreateNetwork(ctx, "n", map[string]string{"l": "2"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c := must[engine.Container](t)(e.Inspect(ctx, "web"))
	if !slices.Equal(c.Aliases["net"], []string{"again"}) {
		t.Errorf("%v", c.Aliases)
	}
	if n, found, err := e.Network(ctx, "net"); err != nil || !found || n.Containers != 1 {
		t.Errorf("%+v %v %v", n, found, err)
	}
	if n, found, err := e.Network(ctx, "n"); err != nil || !found || n.Labels["l"] != "2" {
		t.Errorf("%+v %v %v", n, found, err)
	}
	if err := e.RemoveVolume(ctx, "data"); !engine.IsConflict(err) {
		t.Errorf("a volume in use: %v", err)
	}
	if err := e.Stop(ctx, id, 0); err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(ctx, id); err != nil {
		t.Fatal(err)
	}
	volumes := must[[]engine.Volume](t)(e.Volumes(ctx))
	if len(volumes) != 2 {
		t.Errorf("removing a container left these volumes: %+v", volumes)
	}
	if _, err := e.Inspect(ctx, id); !engine.IsNotFound(err) {
		t.Errorf("%v", err)
	}
	used, limit, err := e.Memory(ctx, server.AddContainer(enginetest.Container{Name: "m", Image: "x:1", Running: true}))
	if used != 200<<20 || limit != 1<<30 || err != nil {
		t.Errorf("%d of %d, %v", used, limit, err)
	}
}

// TestStopIsGivenTheGrace: the deadline of the call is not the client's own.
func TestStopIsGivenTheGrace(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Running: true})
	server.Fault("POST", "/containers/*/stop", enginetest.Fault{Status: 500, Message: "the reason"}, 1)
	if err := e.Stop(t.Context(), "web", 1500*time.Millisecond); exit.Code(err) != exit.Failure {
		t.Error(err)
	}
	if calls := server.Changes(); len(calls) != 1 {
		t.Errorf("%v", calls)
	}
}

func TestStateOfAContainerThatDies(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", HealthCheck: true, Running: true, Life: enginetest.Life{Healthy: -1, Unhealthy: 2, Says: strings.Repeat("x", 300) + " because of this " + strings.Repeat("y", 300)}})
	testkit.Eventually(t, "it is unhealthy", func() bool {
		return must[engine.Container](t)(e.Inspect(t.Context(), "web")).State.Health == "unhealthy"
	})
	server.Die("web", 137, true)
	state := must[engine.Container](t)(e.Inspect(t.Context(), "web")).State
	if state.Running || state.Status != "exited" || state.ExitCode != 137 || !state.OOMKilled || state.Finished.IsZero() {
		t.Errorf("%+v", state)
	}
	for _, said := range state.HealthLog {
		if len(said) > 400 || !strings.HasPrefix(said, "xx") || !strings.HasSuffix(said, "yy") {
			t.Errorf("%d bytes: %s", len(said), said)
		}
	}
	if len(state.HealthLog) == 0 {
		t.Error("no word of the health checks")
	}
}

// An engine calls a volume whose driver is away "not found", too.
func TestVolumeThatIsNotThere(t *testing.T) {
	server, e := fake(t)
	server.AddVolume("data", map[string]string{"a": "b"})
	if v, found, err := e.Volume(t.Context(), "data"); !found || err != nil || v.Labels["a"] != "b" || v.Mountpoint == "" {
		t.Errorf("%+v %t %v", v, found, err)
	}
	if _, found, err := e.Volume(t.Context(), "none"); found || err != nil {
		t.Errorf("%t %v", found, err)
	}
	for status, message := range map[int]string{
		404: `get data: error while checking if volume "data" exists in driver "far": error looking up volume plugin far: plugin "far" not found`,
		500: `get data: error while checking if volume "data" exists in driver "far": Post "http://far.sock/VolumeDriver.Get": dial unix far.sock: connect: no such file or directory`,
	} {
		server.Fault("GET", "/volumes/*", enginetest.Fault{Status: status, Message: message}, 1)
		_, found, err := e.Volume(t.Context(), "data")
		testkit.WantError(t, err, exit.Unavailable, "docker plugin ls", "driver \"far\"")
		if found {
			t.Error("it is there")
		}
	}
	server.Fault("GET", "/volumes/*", enginetest.Fault{Drop: true}, 5)
	_, _, err := e.Volume(t.Context(), "data")
	testkit.WantError(t, err, exit.Unavailable)
}
