package rollout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

var morning = time.Date(2026, 1, 2, 8, 0, 0, 0, time.UTC)

// wanted returns a service of version 2, whose image the engine has.
func wanted(service string) rollout.Wanted {
	w := rollout.Wanted{Service: service, Version: "2.0.0", Image: "r/tale-" + service + ":2.0.0", ImageID: "sha256:" + service + "2", Made: map[string]compose.Service{}}
	colours := []string{""}
	if service == stack.Platform || service == stack.RAG {
		w.Rotates, colours = true, []string{stack.Blue, stack.Green}
	}
	for _, colour := range colours {
		joins := []string{}
		if service == stack.RAG {
			joins = []string{service, stack.Coloured(service, colour)}
		}
		w.Made[colour] = compose.Service{Joins: joins, Hash: "1:" + service + colour, Environment: map[string]string{"SITE_URL": "https://a.example"}}
	}
	return w
}

// runs returns a container of version 1 that is well, changed by what is given.
func runs(service, colour string, changes ...func(*engine.Container)) engine.Container {
	c := engine.Container{
		ID: service + colour, Name: "p-" + service + colour, Service: service, Colour: colour, Version: "1.0.0",
		Image: "r/tale-" + service + ":1.0.0", ImageID: "sha256:" + service + "1", Hash: "1:" + service + colour,
		Environment: map[string]string{"SITE_URL": "https://a.example"}, Created: morning,
		Aliases:   map[string][]string{"p_internal": {service, stack.Coloured(service, colour)}},
		Addresses: map[string]string{"p_internal": "10.0.0." + service + colour},
		State:     engine.State{Status: "running", Running: true, Health: "healthy"},
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func upToDate(c *engine.Container) {
	c.Version, c.Image, c.ImageID = "2.0.0", "r/tale-"+c.Service+":2.0.0", "sha256:"+c.Service+"2"
}

func later(c *engine.Container) { c.Created = morning.Add(time.Hour) }
func unjoined(c *engine.Container) {
	c.Aliases = map[string][]string{"p_internal": {stack.Coloured(c.Service, c.Colour)}}
}
func cut(c *engine.Container)     { c.Aliases = nil }
func stopped(c *engine.Container) { c.State = engine.State{Status: "exited", Finished: morning} }
func sick(c *engine.Container)    { c.State.Health = "unhealthy" }
func paused(c *engine.Container)  { c.State.Status = "paused" }
func crashing(c *engine.Container) {
	c.State.Restarting, c.State.Status, c.State.Health = true, "restarting", "starting"
}
func boots(c *engine.Container)   { c.State.Health = "starting" }
func foreign(c *engine.Container) { c.Hash = "" }
func other(c *engine.Container) {
	c.Hash = "1:before"
	c.Environment = map[string]string{"SITE_URL": "https://b.example"}
}

// offered returns what a proxy says that sends requests to a container.
func offered(containers ...engine.Container) rollout.Serving {
	upstream := rollout.Upstream{Upstream: "platform:3000"}
	for i, c := range containers {
		upstream.Addresses = append(upstream.Addresses, rollout.Address{Address: c.Addresses["p_internal"] + ":3000", Healthy: true, Serving: true, First: i == 0})
	}
	return rollout.Serving{Known: true, Upstreams: []rollout.Upstream{upstream}}
}

// brief returns a plan in few words.
func brief(p rollout.Plan) string {
	var words []string
	for _, c := range p.Changes {
		text := c.Service + " " + string(c.Action)
		if c.Colour != "" {
			text += " " + c.Colour
		}
		if c.Resume {
			text += " resumed"
		}
		if c.Retire != "" {
			text += " for " + c.Retire
		}
		words = append(words, text)
	}
	for _, r := range p.Remove {
		words = append(words, "remove "+r.Container)
	}
	if len(p.Pull) > 0 {
		words = append(words, "pull "+strings.Join(p.Pull, " "))
	}
	return strings.Join(words, ", ")
}

func target(scope rollout.Scope, services ...rollout.Wanted) rollout.Target {
	return rollout.Target{Project: "p", Version: "2.0.0", Scope: scope, Services: services, Network: "p_internal", Volumes: []string{"p_db-data"}}
}

func state(serving rollout.Serving, containers ...engine.Container) rollout.State {
	return rollout.State{Containers: containers, Serving: serving, Networks: []string{"p_internal"}, Volumes: []string{"p_db-data"}}
}

// without returns a state whose network was removed.
func without(containers ...engine.Container) rollout.State {
	s := state(rollout.Serving{}, containers...)
	s.Networks = []string{"bridge"}
	return s
}

// TestNetworksThatWereNotAskedFor: who only looks at what runs does not ask for them.
func TestNetworksThatWereNotAskedFor(t *testing.T) {
	looked := rollout.State{Containers: []engine.Container{runs(stack.DB, "", upToDate)}}
	if change, _ := rollout.NewPlan(looked, target(rollout.Scope{}, wanted(stack.DB))).Of(stack.DB); change.Action != rollout.Keep {
		t.Errorf("db: %s, %v", change.Action, change.Why)
	}
}

func TestPlan(t *testing.T) {
	platform, db, convex, rag := wanted(stack.Platform), wanted(stack.DB), wanted(stack.Convex), wanted(stack.RAG)
	blue := runs(stack.Platform, stack.Blue)
	green := runs(stack.Platform, stack.Green, upToDate, later)
	nobody := rollout.Serving{}
	absent := platform
	absent.ImageID, absent.Pull = "", true
	needed := convex
	needed.Needed = "it needs it"
	anew := convex
	anew.Anew = "--fresh"
	pinned := db
	pinned.Pinned = true
	only := rollout.Scope{Only: []string{stack.RAG}}
	for _, tt := range []struct {
		name  string
		state rollout.State
		scope rollout.Scope
		want  []rollout.Wanted
		plan  string
	}{
		{"nothing runs", state(nobody), rollout.Scope{}, []rollout.Wanted{db, convex, platform}, "db create, convex create, platform create blue"},
		{"all is as wanted", state(nobody, runs(stack.DB, "", upToDate), runs(stack.Platform, stack.Blue, upToDate)), rollout.Scope{}, []rollout.Wanted{db, platform}, "db keep, platform keep blue"},
		{"a new version", state(offered(blue), blue), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green for platformblue"},
		{"a new version that the engine does not have", state(offered(blue), blue), rollout.Scope{}, []rollout.Wanted{absent}, "platform rotate green for platformblue, pull r/tale-platform:2.0.0"},
		{"the database stays at its version", state(nobody, runs(stack.DB, "")), rollout.Scope{}, []rollout.Wanted{db}, "db keep"},
		{"unless all is asked for", state(nobody, runs(stack.DB, "")), rollout.Scope{All: true}, []rollout.Wanted{db}, "db recreate"},
		{"or its image is named", state(nobody, runs(stack.DB, "")), rollout.Scope{}, []rollout.Wanted{pinned}, "db recreate"},
		{"the database's settings are followed", state(nobody, runs(stack.DB, "", upToDate, other)), rollout.Scope{}, []rollout.Wanted{db}, "db recreate"},
		{"but not in a roll back", state(nobody, runs(stack.DB, "", other)), rollout.Scope{Rollback: true}, []rollout.Wanted{db}, "db keep"},
		{"a backend does not go back", state(nobody, runs(stack.Convex, "", func(c *engine.Container) { c.Version = "2.1.0" })), rollout.Scope{All: true}, []rollout.Wanted{convex}, "convex keep"},
		{"unless it does not come up", state(nobody, runs(stack.Convex, "", boots, func(c *engine.Container) { c.Version = "2.1.0" })), rollout.Scope{All: true}, []rollout.Wanted{convex}, "convex recreate"},
		{"or is not well any more, and is asked", state(offered(runs(stack.Convex, "")), runs(stack.Convex, "", sick, func(c *engine.Container) { c.Version = "2.1.0" })), rollout.Scope{All: true}, []rollout.Wanted{convex}, "convex await"},
		{"or has just come up", state(offered(runs(stack.Convex, "")), runs(stack.Convex, "", boots, func(c *engine.Container) { c.Version = "2.1.0" })), rollout.Scope{All: true}, []rollout.Wanted{convex}, "convex keep"},
		{"or ends again and again", state(nobody, runs(stack.Convex, "", crashing, func(c *engine.Container) { c.Version = "2.1.0" })), rollout.Scope{All: true}, []rollout.Wanted{convex}, "convex recreate"},
		{"one that does not come up is waited for", state(nobody, runs(stack.Convex, "", boots, func(c *engine.Container) { c.Version = "2.1.0" })), rollout.Scope{}, []rollout.Wanted{convex}, "convex await"},
		{"one that is stopped does not go back", state(nobody, runs(stack.Convex, "", stopped, func(c *engine.Container) { c.Version = "2.1.0" })), rollout.Scope{All: true}, []rollout.Wanted{convex}, "convex start"},
		{"a backend that is to be made anew", state(nobody, runs(stack.Convex, "", upToDate)), rollout.Scope{}, []rollout.Wanted{anew}, "convex recreate"},
		{"a backend that the release needs", state(nobody, runs(stack.Convex, "")), rollout.Scope{}, []rollout.Wanted{needed}, "convex recreate"},
		{"not in a roll back", state(nobody, runs(stack.Convex, "")), rollout.Scope{Rollback: true}, []rollout.Wanted{needed}, "convex keep"},
		{"a database that is stopped", state(nobody, runs(stack.DB, "", stopped)), rollout.Scope{}, []rollout.Wanted{db}, "db start"},
		{"a network that is gone", without(runs(stack.DB, "", upToDate), runs(stack.Platform, stack.Blue, upToDate)), rollout.Scope{}, []rollout.Wanted{db, platform}, "db recreate, platform rotate green for platformblue"},
		{"what is in no network", state(nobody, runs(stack.DB, "", upToDate, cut), runs(stack.Platform, stack.Blue, upToDate, cut)), rollout.Scope{}, []rollout.Wanted{db, platform}, "db recreate, platform rotate green for platformblue"},
		{"a database of another tool", state(nobody, runs(stack.DB, "", foreign)), rollout.Scope{}, []rollout.Wanted{db}, "db keep"},
		{"an application of another tool", state(nobody, runs(stack.Platform, stack.Green, foreign, upToDate)), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate blue for platformgreen"},
		{"another version of the same image", state(offered(blue), runs(stack.Platform, stack.Blue, func(c *engine.Container) { c.ImageID = platform.ImageID })), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green for platformblue"},
		{"settings have changed", state(nobody, runs(stack.Platform, stack.Blue, upToDate, other)), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green for platformblue"},
		{"the present one is sick", state(nobody, runs(stack.Platform, stack.Blue, upToDate, sick)), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green for platformblue"},
		{"the present one was stopped", state(nobody, runs(stack.Platform, stack.Blue, upToDate, stopped)), rollout.Scope{}, []rollout.Wanted{platform}, "platform start blue"},
		{"the present one serves, before its next health check", state(offered(green), runs(stack.Platform, stack.Green, upToDate, boots)), rollout.Scope{}, []rollout.Wanted{platform}, "platform keep green"},
		{"the present one is still starting", state(nobody, runs(stack.Platform, stack.Blue, upToDate, boots)), rollout.Scope{}, []rollout.Wanted{platform}, "platform await blue"},
		{"so is the backend", state(nobody, runs(stack.Convex, "", upToDate, boots)), rollout.Scope{}, []rollout.Wanted{convex}, "convex await"},
		{"or it is restarted again and again", state(nobody, runs(stack.Convex, "", upToDate, crashing)), rollout.Scope{}, []rollout.Wanted{convex}, "convex await"},
		{"or it is sick", state(nobody, runs(stack.Convex, "", upToDate, sick)), rollout.Scope{}, []rollout.Wanted{convex}, "convex await"},
		{"or somebody has paused it", state(nobody, runs(stack.Convex, "", upToDate, paused)), rollout.Scope{}, []rollout.Wanted{convex}, "convex await"},
		{"the present one is paused", state(nobody, runs(stack.Platform, stack.Blue, upToDate, paused)), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green for platformblue"},
		{"killed while green was starting", state(offered(blue), blue, runs(stack.Platform, stack.Green, upToDate, later, boots)), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green resumed for platformblue"},
		{"killed before the switch", state(offered(blue), blue, green), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green resumed for platformblue"},
		{"killed after the switch", state(offered(green, blue), blue, green), rollout.Scope{}, []rollout.Wanted{platform}, "platform finish green for platformblue"},
		{"and gone back from", state(offered(runs(stack.Platform, stack.Green, later), blue), runs(stack.Platform, stack.Blue, upToDate), runs(stack.Platform, stack.Green, later)), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate blue for platformgreen, remove platformblue"},
		{"killed before the switch, and gone back from", state(offered(runs(stack.Platform, stack.Blue, upToDate)), runs(stack.Platform, stack.Blue, upToDate), runs(stack.Platform, stack.Green, later)), rollout.Scope{}, []rollout.Wanted{platform}, "platform finish blue, remove platformgreen"},
		{"killed before the drain, and the proxy has begun anew", state(offered(blue, green), blue, green), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green for platformblue, remove platformgreen"},
		{"what served was started again by hand", state(offered(runs(stack.Platform, stack.Green, upToDate), blue), blue, runs(stack.Platform, stack.Green, upToDate)), rollout.Scope{}, []rollout.Wanted{platform}, "platform finish green for platformblue"},
		{"killed before green was well", state(offered(blue), blue, runs(stack.Platform, stack.Green, upToDate, later, sick)), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green for platformblue, remove platformgreen"},
		{"a failed green is kept and then in the way", state(offered(blue), blue, runs(stack.Platform, stack.Green, later, stopped)), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green for platformblue, remove platformgreen"},
		{"a stopped predecessor stays", state(offered(green), runs(stack.Platform, stack.Blue, stopped), green), rollout.Scope{}, []rollout.Wanted{platform}, "platform keep green"},
		{"one service of two", state(offered(blue), blue, runs(stack.RAG, stack.Green)), only, []rollout.Wanted{platform, rag}, "platform keep blue, rag rotate blue for raggreen"},
		{"a service that is not asked for", state(offered(green), green, runs(stack.Crawler, stack.Blue)), rollout.Scope{}, []rollout.Wanted{platform}, "platform keep green, remove crawlerblue"},
		{"killed while green was taken back", state(offered(blue), blue, runs(stack.Platform, stack.Green, upToDate, later, cut)), rollout.Scope{}, []rollout.Wanted{platform}, "platform rotate green for platformblue, remove platformgreen"},
		{"killed before a service had its name", state(nobody, runs(stack.RAG, stack.Blue, upToDate, unjoined)), rollout.Scope{}, []rollout.Wanted{rag}, "rag await blue"},
		{"killed before its new colour had", state(nobody, runs(stack.RAG, stack.Blue), runs(stack.RAG, stack.Green, upToDate, later, unjoined)), rollout.Scope{}, []rollout.Wanted{rag}, "rag rotate green resumed for ragblue"},
		{"which a part leaves alone", state(nobody, runs(stack.RAG, stack.Blue, upToDate), runs(stack.Crawler, stack.Blue)), only, []rollout.Wanted{rag}, "rag keep blue"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := rollout.NewPlan(tt.state, target(tt.scope, tt.want...))
			if got := brief(plan); got != tt.plan {
				t.Errorf("the plan is %q, want %q", got, tt.plan)
			}
			nothing := !slices.ContainsFunc([]string{"create", "rotate", "recreate", "start", "await", "finish", "remove"}, func(word string) bool { return strings.Contains(tt.plan, word) })
			if plan.Empty() != nothing {
				t.Errorf("empty: %v", plan.Empty())
			}
		})
	}
}

// publishing returns what is wanted with ports of the host.
func publishing(w rollout.Wanted, ports ...int) rollout.Wanted {
	made := w.Made[""]
	for _, port := range ports {
		made.Ports = append(made.Ports, engine.Port{Public: port, Protocol: "tcp"})
	}
	w.Made = map[string]compose.Service{"": made}
	return w
}

func TestPlanSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		have engine.Container
		want rollout.Wanted
		why  string
	}{
		{runs(stack.Platform, stack.Blue), wanted(stack.Platform), "version 1.0.0 → 2.0.0"},
		{runs(stack.Platform, stack.Blue, upToDate, other), wanted(stack.Platform), "settings: SITE_URL"},
		{runs(stack.Platform, stack.Blue, upToDate, func(c *engine.Container) { c.Hash = "1:x" }), wanted(stack.Platform), "the definition in its compose file"},
		{runs(stack.Proxy, "", upToDate, func(c *engine.Container) { c.Hash, c.Ports = "1:x", []engine.Port{{Public: 80}} }), publishing(wanted(stack.Proxy), 80, 8443), "its ports"},
		{runs(stack.Proxy, "", upToDate, func(c *engine.Container) { c.Hash, c.Ports = "1:x", []engine.Port{{Public: 80}} }), publishing(wanted(stack.Proxy), 80), "the definition in its compose file"},
		{runs(stack.Platform, stack.Blue, upToDate, func(c *engine.Container) { c.ImageID = "sha256:x" }), wanted(stack.Platform), "another image of version 2.0.0"},
		{runs(stack.Platform, stack.Blue, upToDate, foreign), wanted(stack.Platform), "another tool has made it"},
		{runs(stack.Platform, stack.Blue, upToDate, sick), wanted(stack.Platform), "the present one is unhealthy"},
		{runs(stack.Platform, stack.Blue, upToDate, paused), wanted(stack.Platform), "the present one is paused"},
	} {
		plan := rollout.NewPlan(state(rollout.Serving{}, tt.have), target(rollout.Scope{}, tt.want))
		if got := strings.Join(plan.Changes[0].Why, "; "); got != tt.why {
			t.Errorf("why: %q, want %q", got, tt.why)
		}
	}
}

// TestPlanAsksBeforeAnOutage: what makes visitors wait and was not asked for needs a yes.
func TestPlanAsksBeforeAnOutage(t *testing.T) {
	settings := state(rollout.Serving{}, runs(stack.Proxy, "", upToDate, other))
	if plan := rollout.NewPlan(settings, target(rollout.Scope{}, wanted(stack.Proxy))); len(plan.Consent) != 1 || plan.Changes[0].Cost == "" {
		t.Errorf("consent: %q", plan.Consent)
	}
	if plan := rollout.NewPlan(settings, target(rollout.Scope{All: true}, wanted(stack.Proxy))); len(plan.Consent) != 0 {
		t.Errorf("--all asks for it, and it is asked once more: %q", plan.Consent)
	}
	idle := state(rollout.Serving{}, runs(stack.Proxy, "", upToDate, other, stopped))
	if plan := rollout.NewPlan(idle, target(rollout.Scope{}, wanted(stack.Proxy))); len(plan.Consent) != 0 || plan.Changes[0].Action != rollout.Recreate || plan.Changes[0].Cost != "" {
		t.Errorf("nobody notices it: %q, %+v", plan.Consent, plan.Changes)
	}
	external := state(rollout.Serving{}, runs(stack.DB, "", upToDate))
	if plan := rollout.NewPlan(external, target(rollout.Scope{})); len(plan.Consent) != 1 || len(plan.Remove) != 1 {
		t.Errorf("consent: %q, removed: %v", plan.Consent, plan.Remove)
	}
}

// What visitors cannot do without goes with a yes alone, and is asked for once.
func TestPlanAsksBeforeItRemoves(t *testing.T) {
	have := state(rollout.Serving{}, runs(stack.Proxy, "", upToDate), runs(stack.Convex, "", upToDate), runs(stack.Platform, stack.Blue, upToDate), runs(stack.Platform, stack.Green, stopped), runs(stack.RAG, stack.Blue))
	plan := rollout.NewPlan(have, target(rollout.Scope{All: true}))
	if len(plan.Remove) != 5 || len(plan.Consent) != 3 {
		t.Errorf("removed: %v, consent: %q", plan.Remove, plan.Consent)
	}
	for _, cost := range plan.Consent { // --yes and --dry-run show the plan alone
		if text := plan.Text(); strings.Count(text, "  cost     "+cost+"\n") != 1 {
			t.Errorf("%q is not told once:\n%s", cost, text)
		}
	}
}

func TestPlanMakesTheGround(t *testing.T) {
	plan := rollout.NewPlan(rollout.State{}, target(rollout.Scope{}))
	if plan.Network != "p_internal" || len(plan.Volumes) != 1 {
		t.Errorf("network %q, volumes %q", plan.Network, plan.Volumes)
	}
}

// In development nothing has a colour: what rotates in production is replaced in place.
func TestDevelopmentHasNoColours(t *testing.T) {
	h := newHost(t)
	images, versions := map[string]string{}, map[string]string{}
	settings := project.Settings{"SITE_URL": {Text: "https://tale.local"}}
	for _, service := range h.project.Services() {
		images[service.Name], versions[service.Name] = "r/tale-"+service.Name+":1.0.0", "1.0.0"
	}
	for _, name := range []string{"DB_PASSWORD", "INSTANCE_SECRET", "BETTER_AUTH_SECRET", "ENCRYPTION_SECRET_HEX"} {
		settings[name] = project.Value{Text: "value-of-" + name}
	}
	options := compose.Options{Project: h.project, Settings: settings, Images: images, Versions: versions}
	_, target, err := rollout.State{}.Aim("p-dev", "1.0.0", options, rollout.Scope{All: true}, compose.Development)
	if err != nil {
		t.Fatal(err)
	}
	if len(target.Services) != len(h.project.Services()) {
		t.Fatalf("%d services", len(target.Services))
	}
	for _, wanted := range target.Services {
		if wanted.Rotates {
			t.Errorf("%s rotates", wanted.Service)
		}
	}
	for _, change := range rollout.NewPlan(rollout.State{}, target).Changes {
		if change.Action != rollout.Create || change.Colour != "" {
			t.Errorf("%+v", change)
		}
	}
}

// TestPlanShowsTheOverride: each key that the operator's file changes, with what it was.
func TestPlanShowsTheOverride(t *testing.T) {
	platform := wanted(stack.Platform)
	green := platform.Made[stack.Green]
	green.Overridden = []compose.Override{
		{Key: "environment.DEBUG_MODE"},
		{Key: "image", Base: "r/tale-platform:1.0.0", Override: "r/shop:2"},
		{Key: "tmpfs", Base: "[\"/tmp\"]"},
		{Key: "command", Override: "[\"run\",\n  \"" + strings.Repeat("x", 200) + "\"]"},
	}
	platform.Made[stack.Green] = green
	plan := rollout.NewPlan(rollout.State{Containers: []engine.Container{runs(stack.Platform, stack.Blue)}}, rollout.Target{Services: []rollout.Wanted{platform}})
	text := plan.Text()
	for _, line := range []string{
		"override platform: environment.DEBUG_MODE is another\n",
		"override platform: image is r/shop:2 instead of r/tale-platform:1.0.0\n",
		"override platform: tmpfs is taken out, which was [\"/tmp\"]\n",
		"override platform: command is [\"run\", \"xxx",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("it lacks %q:\n%s", line, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 160 {
			t.Errorf("the line has %d bytes: %s", len(line), line)
		}
	}
}

// TestWhatStaysBehindIsSaid of one service and of several.
func TestWhatStaysBehindIsSaid(t *testing.T) {
	for want, services := range map[string][]string{
		"db stays at 1.0.0; `tale deploy --all` brings it to the release's":            {stack.DB},
		"db and proxy stay at 1.0.0; `tale deploy --all` brings them to the release's": {stack.DB, stack.Proxy},
	} {
		var there []engine.Container
		var target rollout.Target
		for _, service := range services {
			there, target.Services = append(there, runs(service, "")), append(target.Services, wanted(service))
		}
		if notes := rollout.NewPlan(rollout.State{Containers: there}, target).Notes; !slices.Contains(notes, want) {
			t.Errorf("%q", notes)
		}
	}
}

// TestWhatDoesNotComeUpCanBeReplaced: a newer backend that a run has left, and its way out. One of
// another make would not refuse data that are too new for it.
func TestWhatDoesNotComeUpCanBeReplaced(t *testing.T) {
	newer := runs(stack.Convex, "", boots, func(c *engine.Container) { c.Version = "2.1.0" })
	const note = "if convex 2.1.0 does not become ready: `tale deploy --all` replaces it by that of 2.0.0"
	for _, tt := range []struct {
		scope  rollout.Scope
		images []engine.Image
		action rollout.Action
		noted  bool
	}{
		{rollout.Scope{}, nil, rollout.Await, true},
		{rollout.Scope{All: true}, nil, rollout.Recreate, false},
		{rollout.Scope{All: true}, []engine.Image{{ID: "sha256:other", Tags: []string{wanted(stack.Convex).Image}}}, rollout.Await, false},
		{rollout.Scope{}, []engine.Image{{ID: "sha256:other", Tags: []string{wanted(stack.Convex).Image}}}, rollout.Await, false},
		{rollout.Scope{All: true}, []engine.Image{{ID: newer.ImageID, Tags: []string{newer.Image}}}, rollout.Await, false}, // nor does that note that it has used them
		{rollout.Scope{Rollback: true}, nil, rollout.Await, false},
	} {
		s := state(rollout.Serving{}, newer)
		s.Images = tt.images
		plan := rollout.NewPlan(s, target(tt.scope, wanted(stack.Convex)))
		if change, _ := plan.Of(stack.Convex); change.Action != tt.action || slices.Contains(plan.Notes, note) != tt.noted {
			t.Errorf("%+v, %d images: %s, notes %q", tt.scope, len(tt.images), change.Action, plan.Notes)
		}
	}
}
