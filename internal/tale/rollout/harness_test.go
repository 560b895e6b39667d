package rollout_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

// host is an engine, and a project of four services on it, and more.
type host struct {
	*enginetest.Server
	t        *testing.T
	engine   *engine.Engine
	project  *project.Project
	timeout  time.Duration
	settings map[string]string
	develops bool   // it is the development stack
	blind    bool   // the proxy offers nothing
	slow     bool   // it has not found the newer colour yet
	failing  func() // is called when a deploy has failed, before anything is taken back
	visible  func(context.Context, engine.Container) (*site.Visitor, error)

	mu     sync.Mutex
	events []rollout.Event
}

// newHost returns one with the images of three versions.
func newHost(t *testing.T, more ...string) *host {
	t.Helper()
	return newHostWith(t, func(*host) {}, more...)
}

// newHostWith returns one that is prepared before it is first asked.
func newHostWith(t *testing.T, prepare func(*host), more ...string) *host {
	t.Helper()
	h := &host{Server: enginetest.New(t), t: t, timeout: 20 * time.Second}
	h.visible = func(context.Context, engine.Container) (*site.Visitor, error) { return nil, nil }
	services := append([]string{stack.DB, stack.Convex, stack.Platform, stack.Proxy}, more...)
	h.project = &project.Project{Dir: t.TempDir(), File: project.File{ID: "p", Services: services}}
	for _, service := range h.project.Services() {
		for _, version := range []string{"1.0.0", "1.0.1", "1.0.2"} {
			h.AddImage(enginetest.Image{Tags: []string{"r/tale-" + service.Name + ":" + version}, HealthCheck: true,
				Labels: map[string]string{engine.LabelImageVersion: version}})
		}
	}
	prepare(h)
	h.engine = h.Connect(t, engine.Options{Docker: h.Docker(t)})
	h.SetExec(h.exec)
	return h
}

// exec answers as the programs in the containers: the proxy sends requests to the newest
// platform that is healthy and in the network.
func (h *host) exec(container string, command []string, _ string) (stdout, stderr string, code int) {
	if command[0] != "proxy" {
		return "", "no such program", 127
	}
	containers, err := h.engine.Containers(context.Background(), compose.Projects("p")...)
	if err != nil {
		return "", err.Error(), 1
	}
	slices.SortFunc(containers, func(a, b engine.Container) int { return b.Created.Compare(a.Created) })
	if h.slow {
		containers = slices.DeleteFunc(containers, func(c engine.Container) bool { return c.Colour == stack.Green })
	}
	available, upstream := false, rollout.Upstream{Upstream: "platform:3000"}
	for _, c := range containers {
		address := c.Addresses["p_internal"]
		if c.Service != stack.Platform || address == "" || !c.State.Running {
			continue
		}
		well := c.State.Health == "healthy" && !h.blind
		upstream.Addresses = append(upstream.Addresses, rollout.Address{Address: address + ":3000", Healthy: well, Serving: well, First: well && !available})
		available = available || well
	}
	text, err := json.Marshal(map[string]any{"available": available, "upstreams": []rollout.Upstream{upstream}})
	if err != nil {
		return "", err.Error(), 1
	}
	return string(text), "", 0
}

// plan compares what runs with a version.
func (h *host) plan(version string, scope rollout.Scope) (rollout.Plan, *compose.Model) {
	h.t.Helper()
	images, versions := map[string]string{}, map[string]string{}
	for _, service := range h.project.Services() {
		images[service.Name], versions[service.Name] = "r/tale-"+service.Name+":"+version, version
		if image := h.project.File.Images[service.Name]; image != "" {
			images[service.Name], versions[service.Name] = image, engine.Tag(image)
		}
	}
	// Nobody listens on these ports, on whatever machine.
	settings := project.Settings{"SITE_URL": {Text: "https://tale.local"}, "PUBLISH_HTTP": {Text: "1"}, "PUBLISH_HTTPS": {Text: "2"}}
	for name, value := range h.settings {
		settings[name] = project.Value{Text: value, From: project.FromFile}
	}
	for _, name := range []string{"DB_PASSWORD", "INSTANCE_SECRET", "BETTER_AUTH_SECRET", "ENCRYPTION_SECRET_HEX"} {
		settings[name] = project.Value{Text: "value-of-" + name}
	}
	id, build := "p", compose.Production
	if h.develops {
		id, build = compose.DevelopmentID(id), compose.Development
	}
	state, err := rollout.Observe(h.t.Context(), h.engine, id)
	if err != nil {
		h.t.Fatal(err)
	}
	state.AskServing(h.t.Context(), h.engine)
	model, target, err := state.Aim(id, version, compose.Options{Project: h.project, Settings: settings, Images: images, Versions: versions}, scope, build)
	if err != nil {
		h.t.Fatal(err)
	}
	return rollout.NewPlan(state, target), model
}

// deploy carries out what brings a version.
func (h *host) deploy(ctx context.Context, version string, scope rollout.Scope) error {
	h.t.Helper()
	plan, model := h.plan(version, scope)
	return h.run(ctx, plan, model)
}

func (h *host) run(ctx context.Context, plan rollout.Plan, model *compose.Model) error {
	again := func([]engine.Image) (*compose.Model, error) {
		_, model := h.plan(plan.Version, rollout.Scope{})
		return model, nil
	}
	return rollout.Rollout{Engine: h.engine, Project: h.project, Model: model, Again: again, Site: h.visible, Timeout: h.timeout, Say: h.say}.Run(ctx, plan)
}

func (h *host) say(e rollout.Event) {
	if e.Kind == rollout.Failed && h.failing != nil {
		h.failing()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

// mustDeploy is deploy that has to succeed.
func (h *host) mustDeploy(version string) {
	h.t.Helper()
	if err := h.deploy(h.t.Context(), version, rollout.Scope{}); err != nil {
		h.t.Fatalf("cannot deploy %s: %v", version, err)
	}
}

// serving returns the version and the container that the proxy offers.
func (h *host) serving() string {
	h.t.Helper()
	state, err := rollout.Observe(context.Background(), h.engine, "p")
	if err != nil {
		h.t.Fatal(err)
	}
	state.AskServing(context.Background(), h.engine)
	for _, c := range state.Containers {
		if state.Serving.Offers(c) {
			return strings.TrimPrefix(c.Name, "p-") + " " + c.Version
		}
	}
	return "nothing"
}

// running returns the containers that run, sorted.
func (h *host) running() string {
	h.t.Helper()
	containers, err := h.engine.Containers(context.Background(), compose.Projects("p")...)
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, c := range containers {
		if c.State.Running {
			names = append(names, strings.TrimPrefix(c.Name, "p-"))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
