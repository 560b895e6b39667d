package status_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/status"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const id = "shop-0a1b2c"

// A whole stack, and what an earlier deploy has left, is looked at with a dozen calls.
func TestLookTakesADozenCalls(t *testing.T) {
	server, source := running(t)
	before := len(server.Calls())
	facts, err := status.Look(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	const connecting = 2 // the version is agreed on, and the engine says what it is
	calls := server.Calls()[before:]
	if len(calls)+connecting > 12 || len(server.Changes()) != 0 && slices.ContainsFunc(server.Changes(), func(c string) bool { return !strings.Contains(c, "/exec") }) {
		t.Errorf("%d calls: %q; changes: %q", len(calls), calls, server.Changes())
	}
	d := facts.Document()
	if d.Condition != status.Up || len(d.Services) != len(stack.Services()) || d.Serving.Version != "1.1.0" || d.Serving.Colour != stack.Green {
		t.Errorf("%+v", d)
	}
	if len(d.Leftovers) != 1 || d.Leftovers[0].State != "exited (7)" || len(d.Development) != 1 || d.Development[0].State != "healthy" {
		t.Errorf("left %+v, development %+v", d.Leftovers, d.Development)
	}
}

// What is wrong with one part decides how the whole is.
func TestConditions(t *testing.T) {
	for name, tt := range map[string]struct {
		wrong  func(*enginetest.Server)
		want   status.Condition
		reason string
		why    string // of the service
	}{
		"crawler ended": {func(s *enginetest.Server) { s.Die(id+"-crawler-green", 137, true) }, status.Degraded, "crawler is exited", "out of memory, exit code 137"},
		"no platform": {func(s *enginetest.Server) {
			s.Die(id+"-platform-green", 0, false)
			answerOf(s, `{"available": false, "upstreams": []}`)
		}, status.Down, "platform is exited", ""},
		"proxy ended": {func(s *enginetest.Server) { s.Die(id+"-proxy", 1, false) }, status.Down, "proxy is exited", "exit code 1"},
		"proxy is mute, and platform sick": {func(s *enginetest.Server) {
			answerOf(s, "no JSON")
			s.Sicken(id + "-platform-green")
		}, status.Down, "nothing that serves visitors is known to be well", ""},
		"platform sick, and offered": {func(s *enginetest.Server) { s.Sicken(id + "-platform-green") }, status.Degraded, "platform is unhealthy", ""},
		"platform paused":            {func(s *enginetest.Server) { s.Pause(id + "-platform-green") }, status.Down, "platform is paused", ""},
		"convex paused":              {func(s *enginetest.Server) { s.Pause(id + "-convex") }, status.Degraded, "convex is paused", "frozen by docker pause: docker unpause " + id + "-convex"},
		"nobody offered":             {func(s *enginetest.Server) { answerOf(s, `{"available": false, "upstreams": []}`) }, status.Down, "the proxy has no web application to send visitors to", ""},
		"proxy is mute":              {func(s *enginetest.Server) { answerOf(s, "no JSON") }, status.Up, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			server, source := running(t)
			tt.wrong(server)
			facts, err := status.Look(t.Context(), source)
			if err != nil {
				t.Fatal(err)
			}
			d := facts.Document()
			if d.Condition != tt.want || tt.reason != "" && !slices.Contains(d.Reasons, tt.reason) {
				t.Errorf("%s because of %q; want %s because of %s", d.Condition, d.Reasons, tt.want, tt.reason)
			}
			if tt.why != "" && !slices.ContainsFunc(d.Services, func(s status.Service) bool { return s.Reason == tt.why }) {
				t.Errorf("no service is so because of %q: %+v", tt.why, d.Services)
			}
			code := map[status.Condition]int{status.Up: 0, status.Degraded: exit.Degraded, status.Down: exit.Down}[tt.want]
			if d.ExitCode() != code {
				t.Errorf("exit code %d, want %d", d.ExitCode(), code)
			}
		})
	}
}

func TestNothingIsThere(t *testing.T) {
	server := enginetest.New(t)
	facts, err := status.Look(t.Context(), source(t, server))
	if err != nil {
		t.Fatal(err)
	}
	d := facts.Document()
	if d.Condition != status.Down || !strings.Contains(strings.Join(d.Reasons, ""), "tale deploy") {
		t.Errorf("%+v", d)
	}
	former := project.Entry{Command: "tale deploy", Project: "shop-9", Result: project.Done, Images: map[string]project.Image{stack.DB: {}}}
	if err := facts.Project.Remember(former); err != nil {
		t.Fatal(err)
	}
	if d = facts.Document(); d.Condition != status.Down || !strings.Contains(strings.Join(d.Reasons, ""), `Put "id": "shop-9" back there`) {
		t.Errorf("%q", d.Reasons)
	}
}

// What is wrong with the files is no reason not to say how the stack is.
func TestFilesThatCannotBeCompared(t *testing.T) {
	_, source := running(t)
	source.Target = func(rollout.State) (rollout.Target, error) {
		return rollout.Target{}, errors.New(".env, line 3, is not NAME=value")
	}
	facts, err := status.Look(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	if d := facts.Document(); d.Condition != status.Up || !strings.Contains(d.Drift, "line 3") || len(d.Services) == 0 {
		t.Errorf("%+v", d)
	}
}

// TestAHistoryThatCannotBeRead is no reason not to say how the stack is.
func TestAHistoryThatCannotBeRead(t *testing.T) {
	_, source := running(t)
	testkit.WriteTree(t, source.Project.Path("history.jsonl"), map[string]string{"x": ""})
	facts, err := status.Look(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	d := facts.Document()
	if text := d.Text(false); d.Condition != status.Up || len(d.Services) == 0 || !strings.Contains(text, "\nhistory   cannot read "+source.Project.Path("history.jsonl")) {
		t.Errorf("%+v\n%s", d, text)
	}
}

func TestGoldenDocument(t *testing.T) {
	began := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	at := func(n time.Duration) time.Time { return began.Add(n) }
	container := func(service, colour, status string, more func(*engine.Container)) engine.Container {
		c := engine.Container{
			ID: service + colour, Name: id + "-" + service, Service: service, Colour: colour, Version: "1.1.0", Image: "x/tale-" + service + ":1.1.0",
			ImageID: "sha256:0123456789abcdef", Created: began, State: engine.State{Status: status, Running: status == "running", Health: "healthy", Started: began},
		}
		more(&c)
		return c
	}
	same := func(*engine.Container) {}
	platform := container(stack.Platform, stack.Blue, "running", func(c *engine.Container) { c.Addresses = map[string]string{"x": "10.0.0.5"} })
	convex := container(stack.Convex, "", "running", func(c *engine.Container) {
		c.State.Health, c.State.HealthLog, c.Restarts = "unhealthy", []string{"not ready: database: cannot connect; docker compose logs db\nmore"}, 4
	})
	old := container(stack.Platform, stack.Green, "exited", func(c *engine.Container) { c.Name, c.State.ExitCode = c.Name+"-green", 78 })
	facts := status.Facts{
		Project: &project.Project{Dir: "/srv/shop", File: project.File{ID: id, Services: []string{"db", "convex", "platform", "proxy"}}},
		State: rollout.State{
			Containers: []engine.Container{convex, old, platform, container(stack.Proxy, "", "running", same)},
			Serving: rollout.Serving{Known: true, Upstreams: []rollout.Upstream{{
				Upstream: "platform:3000", Addresses: []rollout.Address{{Address: "10.0.0.5:3000", Healthy: true, Serving: true, First: true, Since: at(time.Minute)}},
			}}},
		},
		Current: map[string]engine.Container{stack.Convex: convex, stack.Platform: platform, stack.Proxy: container(stack.Proxy, "", "running", same)},
		Plan: rollout.Plan{Changes: []rollout.Change{
			{Service: stack.DB, Action: rollout.Create},
			{Service: stack.Platform, Action: rollout.Rotate, Why: []string{"settings: DEBUG_MODE"}},
		}},
		Lock: &project.Holder{User: "ann", Host: "one", PID: 7, Command: "tale deploy", Since: began}, Disk: &status.Disk{Free: 3 << 30, Total: 20 << 30},
		History: []project.Entry{{Time: began, User: "ann", Command: "tale deploy", Release: "1.1.0", Result: project.Done}, {Time: began, Command: "tale stop", Result: project.Done}},
		Memory:  map[string]int64{"platformblue": 100 << 20}, URL: "https://shop.example", Engine: "27.0", Now: at(90 * time.Minute),
	}
	text, err := json.MarshalIndent(facts.Document(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "status.json", append(text, '\n'))
	d := facts.Document()
	d.Lock, d.Deploys, d.Serving.Since = nil, nil, nil // they are told in the time of here and now
	plain, painted := d.Text(false), d.Text(true)
	testkit.Golden(t, "status.txt", []byte(plain))
	if strings.Contains(plain, "\x1b") {
		t.Error("it has colours")
	}
	for command, label := range map[string]string{"tale restore shop.tar": "restore", "tale rollback": "rollback", "tale deploy --all": "deploy", "before the history": "deploy"} {
		one := status.Document{Deploys: []project.Entry{{Command: command, Release: "1.1.0"}}}
		if said := one.Text(false); !strings.Contains(said, "\n"+fmt.Sprintf("%-10s", label)+"0") {
			t.Errorf("%s: %s", command, said)
		}
	}
	if !strings.Contains(painted, "\x1b[31munhealthy\x1b[0m") {
		t.Errorf("it has no colours: %s", painted)
	}
}

// running returns an engine with a whole stack that serves green, a stopped blue web
// application, and a container of the development stack.
func running(t *testing.T) (*enginetest.Server, status.Source) {
	server := enginetest.New(t)
	add := func(service, colour, project string, runs bool) {
		name := stack.Coloured(service, colour)
		server.AddContainer(enginetest.Container{
			Name: id + "-" + name, Image: "registry.example/tale-" + service + ":1.1.0", Project: project, Service: name, HealthCheck: true, Running: true,
			Labels:   map[string]string{engine.LabelVersion: "1.1.0", engine.LabelService: service, engine.LabelColour: colour},
			Networks: map[string][]string{id + "_internal": {name}},
		})
		if !runs {
			server.Die(id+"-"+name, 7, false)
		}
	}
	add(stack.Platform, stack.Blue, id+"-blue", false)
	for _, service := range stack.Services() {
		if service.Rotates {
			add(service.Name, stack.Green, id+"-green", true)
		} else {
			add(service.Name, "", id, true)
		}
	}
	server.AddContainer(enginetest.Container{Name: id + "-dev-db", Image: "x", Project: id + "-dev", Service: "db", Running: true, HealthCheck: true})
	s := source(t, server)
	green, err := s.Engine.Inspect(t.Context(), id+"-platform-green")
	if err != nil {
		t.Fatal(err)
	}
	answerOf(server, fmt.Sprintf(`{"available": true, "upstreams": [{"upstream": "platform:3000", "available": true,
		"addresses": [{"address": "%s:3000", "healthy": true, "serving": true, "first": true, "version": "1.1.0", "since": "2026-05-01T10:00:00Z"}]}]}`, green.Addresses[id+"_internal"]))
	return server, s
}

func answerOf(server *enginetest.Server, document string) {
	server.SetExec(func(string, []string, string) (string, string, int) { return document, "", 0 })
}

func source(t *testing.T, server *enginetest.Server) status.Source {
	docker := server.Connect(t, engine.Options{})
	info, err := docker.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	testkit.WriteTree(t, folder, map[string]string{"tale.json": `{"version": 1, "id": "` + id + `"}`})
	p := taletest.Project(t, folder)
	return status.Source{Engine: docker, Info: info, Project: p, Target: func(rollout.State) (rollout.Target, error) {
		target := rollout.Target{Project: id}
		for _, service := range stack.Services() {
			target.Services = append(target.Services, rollout.Wanted{Service: service.Name, Rotates: service.Rotates})
		}
		return target, nil
	}}
}

// The engine asks a new container again only after seconds; the proxy knows before.
func TestTheProxyKnowsSooner(t *testing.T) {
	c := engine.Container{
		Name: "convex", Service: stack.Convex, Addresses: map[string]string{"internal": "10.0.0.9"},
		State: engine.State{Status: "running", Running: true, Health: "starting"},
	}
	for _, healthy := range []bool{true, false} {
		facts := status.Facts{Current: map[string]engine.Container{stack.Convex: c}, Project: &project.Project{}}
		facts.State = rollout.State{Containers: []engine.Container{c}, Serving: rollout.Serving{Known: true, Upstreams: []rollout.Upstream{
			{Upstream: "platform:3000"}, {Upstream: "convex:3210", Addresses: []rollout.Address{{Address: "10.0.0.9:3210", Healthy: healthy}}},
		}}}
		want := map[bool]string{true: "healthy", false: "starting"}[healthy]
		for _, service := range facts.Document().Services {
			if service.Container == "convex" && service.State != want {
				t.Errorf("convex is %s, want %s", service.State, want)
			}
		}
	}
}

// TestWhatIsNotAskedFor is said to be what it is, and what becomes of it as that is.
func TestWhatIsNotAskedFor(t *testing.T) {
	server, source := running(t)
	for _, service := range []string{stack.Platform, "web"} {
		labels := map[string]string{engine.LabelComposeService: service}
		server.AddContainer(enginetest.Container{Name: "second-" + service, Image: "x:1.2.0", Project: id + "-blue", Service: service, Labels: labels, Running: true})
	}
	source.Project.File.Services = []string{"db", "convex", "platform", "proxy", "crawler"}
	all := source.Target
	source.Target = func(state rollout.State) (rollout.Target, error) {
		target, err := all(state)
		target.Services = slices.DeleteFunc(target.Services, func(w rollout.Wanted) bool { return w.Service == stack.RAG })
		return target, err
	}
	server.Die(id+"-rag-green", 1, false)
	facts, err := status.Look(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	d := facts.Document()
	text := d.Text(false)
	for _, want := range []string{
		"\nrag       green   1.1.0    ", "\ndrift     a deploy would remove rag: the files do not ask for rag\n",
		"\nleft      second-platform, version 1.2.0, running; it runs beside what serves: `tale deploy` goes on with it, or stops it\n",
		"\nleft      second-web, version 1.2.0, running; it is of no service of the stack, and tale leaves it alone\n",
		"-platform-blue, version 1.1.0, exited (7); `tale cleanup` removes it\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("not %q in %s", want, text)
		}
	}
	if d.Condition != status.Up {
		t.Errorf("it is %s for what is not asked for: %q", d.Condition, d.Reasons)
	}
	facts.Lock = &project.Holder{User: "ann"}
	if text := facts.Document().Text(false); !strings.Contains(text, "second-platform, version 1.2.0, running; it runs beside what serves, for the command that holds the lock\n") {
		t.Errorf("while a deploy is under way: %s", text)
	}
}
