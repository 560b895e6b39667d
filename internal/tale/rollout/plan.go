package rollout

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
)

// planSchema is the version of a plan's JSON; docs/plan.schema.json describes it.
const planSchema = 1

// Plan is what a deploy or a rollback does.
type Plan struct {
	Schema  int      `json:"schema"`
	Project string   `json:"project"`
	Version string   `json:"version"`
	Changes []Change `json:"changes"`
	// Migrations are applied after the pull, before anything else.
	Migrations []migration.Step `json:"migrations"`
	Pull       []string         `json:"pull"`
	Downloads  []Download       `json:"downloads,omitempty"` // of those whose registry tells
	Volumes    []string         `json:"volumes"`             // to be made
	Network    string           `json:"network,omitempty"`
	Remove     []Remove         `json:"remove"`
	Notes      []string         `json:"notes"`
	Consent    []string         `json:"consent"` // what the operator has to agree to
}

// Action is what is done to a service.
type Action string

// Actions, in the order of what they cost.
const (
	Keep     Action = "keep"
	Finish   Action = "finish"   // the colour serves already; the other is retired
	Rotate   Action = "rotate"   // the other colour is started beside it
	Create   Action = "create"   // there is none
	Await    Action = "await"    // it runs and is not ready
	Start    Action = "start"    // it is there and does not run
	Recreate Action = "recreate" // replaced in place
)

// Change is what is done to one service.
type Change struct {
	Service string   `json:"service"`
	Action  Action   `json:"action"`
	Colour  string   `json:"colour,omitempty"` // that serves afterwards
	Why     []string `json:"why,omitempty"`
	From    *Release `json:"from,omitempty"`
	To      Release  `json:"to"`
	Cost    string   `json:"cost,omitempty"`   // what visitors notice
	Retire  string   `json:"retire,omitempty"` // container that is stopped at the end
	Resume  bool     `json:"resume,omitempty"` // the new colour is there from an earlier run
	Needs   []string `json:"needs,omitempty"`
	// Otherwise says what helps if it does not become ready.
	Otherwise string `json:"otherwise,omitempty"`
	// Overridden is what compose.override.yml has changed of it.
	Overridden []compose.Override `json:"overridden,omitempty"`
}

// Release is an image of a service.
type Release struct {
	Version string `json:"version"`
	Image   string `json:"image"`
	ImageID string `json:"imageId,omitempty"`
}

// Remove is a container that is in the way, or of a service that is not asked for.
type Remove struct {
	Container string `json:"container"` // id
	Name      string `json:"name"`
	Why       string `json:"why"`
	Cost      string `json:"cost,omitempty"`  // what is not there without it
	After     bool   `json:"after,omitempty"` // when all is done: it may still serve
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool {
	return len(p.Remove)+len(p.Volumes)+len(p.Migrations) == 0 && p.Network == "" &&
		!slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Action != Keep })
}

// Of returns the change of a service.
func (p Plan) Of(service string) (Change, bool) {
	i := slices.IndexFunc(p.Changes, func(c Change) bool { return c.Service == service })
	if i < 0 {
		return Change{}, false
	}
	return p.Changes[i], true
}

// NewPlan compares what runs with what is asked for. It decides everything that a deploy
// does, and touches nothing.
func NewPlan(state State, target Target) Plan {
	p := Plan{
		Schema: planSchema, Project: target.Project, Version: target.Version,
		Changes: []Change{}, Migrations: []migration.Step{}, Pull: []string{}, Volumes: []string{}, Remove: []Remove{}, Notes: []string{}, Consent: []string{}, // empty in JSON, not null
	}
	for _, wanted := range target.Services {
		if current, there := state.Current(wanted.Service); there && wanted.Anew == "" {
			wanted.Anew = cutOff(state, target, current)
		}
		if wanted.Rotates {
			p.rotating(state, target.Scope, wanted)
		} else {
			p.stateful(state, target.Scope, wanted)
		}
	}
	p.pull(target)
	p.leftovers(state, target)
	p.ground(state, target)
	p.notes(state, target)
	return p
}

func (p *Plan) add(c Change, wanted Wanted) {
	c.Service, c.To, c.Needs = wanted.Service, Release{wanted.Version, wanted.Image, wanted.ImageID}, wanted.Needs
	c.Overridden = wanted.Made[c.Colour].Overridden
	p.Changes = append(p.Changes, c)
}

func release(c engine.Container) *Release { return &Release{c.Version, c.Image, c.ImageID} }

// rotating decides for a service that has colours.
func (p *Plan) rotating(state State, scope Scope, wanted Wanted) {
	current, there := state.Current(wanted.Service)
	switch {
	case !scope.names(wanted.Service):
		if there {
			p.add(Change{Action: Keep, Colour: current.Colour, From: release(current)}, wanted)
		}
		return
	case !there:
		p.add(Change{Action: Create, Colour: stack.Blue, Why: []string{"there is none"}}, wanted)
		return
	}
	change := Change{Colour: current.Colour, From: release(current), Why: differences(current, wanted)}
	if wanted.Anew != "" {
		change.Why = append(change.Why, wanted.Anew)
	}
	switch {
	case len(change.Why) > 0:
		change.Action, change.Colour, change.Retire = Rotate, stack.OtherColour(current.Colour), current.ID
		change.Resume = p.resumes(state, wanted, change.Colour, current)
	case !current.State.Running && connected(current):
		change.Action, change.Why = Start, []string{"it does not run"}
	case !current.State.Well() && !starting(current):
		change.Action, change.Colour, change.Retire = Rotate, stack.OtherColour(current.Colour), current.ID
		change.Why = []string{"the present one is " + condition(current)}
	case !joined(current, wanted.Made[current.Colour]):
		change.Action, change.Why = Await, []string{"the others do not find it by its name yet"}
	case starting(current) && !state.Serving.Offers(current):
		change.Action, change.Why = Await, []string{"it is starting"}
	default:
		change.Action = Keep
	}
	if change.Retire == "" {
		p.alone(state, &change, current)
	}
	p.add(change, wanted)
}

// alone has a colour that stays serve alone. One that an earlier run has left beside it goes first
// where the proxy would go on to it.
func (p *Plan) alone(state State, change *Change, current engine.Container) {
	for _, other := range state.Others(current.Service) {
		switch {
		case !other.State.Running:
			continue
		case state.overtakes(other, current):
			p.Remove = append(p.Remove, Remove{Container: other.ID, Name: other.Name, Why: "an earlier run has left it, and the proxy would go on to it"})
		default:
			change.Retire = other.ID
		}
		change.Why = append(change.Why, other.Name+" is still there from an earlier run")
		if change.Action == Keep {
			change.Action = Finish
		}
	}
}

// resumes reports whether the new colour runs already as it is wanted. One to which the proxy goes
// on preferring the present colour does not do.
func (p *Plan) resumes(state State, wanted Wanted, colour string, current engine.Container) bool {
	return slices.ContainsFunc(state.Others(wanted.Service), func(c engine.Container) bool {
		return c.Colour == colour && state.overtakes(c, current) && (c.State.Well() || starting(c)) && connected(c) && len(differences(c, wanted)) == 0
	})
}

// stateful decides for a service of which there is one. Its files are followed; its
// version is brought to the release's when that is asked for or the release needs it.
func (p *Plan) stateful(state State, scope Scope, wanted Wanted) {
	current, there := state.Current(wanted.Service)
	switch {
	case !there && len(scope.Only) > 0:
		return
	case !there:
		p.add(Change{Action: Create, Why: []string{"there is none"}}, wanted)
		return
	}
	change := Change{Action: Keep, From: release(current)}
	newer := current.ImageID != wanted.ImageID || current.Version != wanted.Version
	if newer && !p.follows(state, scope, wanted, current, &change) {
		wanted.Image, wanted.ImageID, wanted.Version, newer = current.Image, current.ImageID, current.Version, false
	}
	if scope.isWhole() && (current.Hash != "" || scope.All) {
		change.Why = differences(current, wanted)
	} else if newer {
		change.Why = []string{versions(current.Version, wanted.Version)}
	}
	asked := scope.All
	if wanted.Anew != "" {
		change.Why, asked = append(change.Why, wanted.Anew), true
	}
	switch {
	case len(change.Why) > 0:
		change.Action = Recreate
		if current.State.Running { // of what does not run nobody notices it
			change.Cost = costs[wanted.Service]
		}
		if newer && wanted.Needed != "" {
			change.Why = append(change.Why, wanted.Needed)
		}
		if !asked && change.Cost != "" {
			p.Consent = append(p.Consent, fmt.Sprintf("%s is replaced: %s", wanted.Service, change.Cost))
		}
	case !current.State.Running:
		change.Action, change.Why = Start, []string{"it does not run"}
	case !current.State.Well() && (!starting(current) || !state.Serving.Offers(current)):
		// What the release needs has to be well first, and says itself why it is not.
		change.Action, change.Why = Await, []string{"it is " + condition(current)}
	}
	p.add(change, wanted)
}

// follows reports whether a service of which there is one is brought to the release's version, and
// notes why one is not that might be expected to be.
func (p *Plan) follows(state State, scope Scope, wanted Wanted, current engine.Container, change *Change) bool {
	if !scope.isWhole() {
		return false
	}
	asked := scope.All || wanted.Pinned || wanted.Needed != ""
	// One that the proxy sends requests to has come up, whatever its health check says by now.
	ill := (current.State.Running || current.State.Restarting) && !current.State.Well() && !state.Serving.Offers(current)
	back := wanted.Service == stack.Convex && IsBefore(wanted.Version, current.Version)
	// One that never came up has done nothing: if it has, ours notes it, and refuses to start on that.
	replaceable := ill && (!back || !state.isOfOtherMake(wanted.Image) && !state.isOfOtherMake(current.ImageID))
	switch {
	case asked && back && !replaceable:
		p.Notes = append(p.Notes, fmt.Sprintf("convex stays at %s: what it did to its data cannot be undone", current.Version))
		return false
	case !asked && replaceable && current.Version != wanted.Version:
		change.Otherwise = "`tale deploy --all` replaces it by that of " + wanted.Version
		p.Notes = append(p.Notes, fmt.Sprintf("if %s %s does not become ready: %s", wanted.Service, current.Version, change.Otherwise))
	}
	return asked
}

// costs is what visitors notice of a service's replacement.
var costs = map[string]string{
	stack.DB:     "pages and functions stand still until the database is back",
	stack.Convex: "sockets reconnect; functions stand still for seconds",
	stack.Proxy:  "the site's ports are closed for a moment, sockets drop",
}

// removals is what becomes of a stack without a service that it had.
var removals = map[string]string{
	stack.DB:       "the bundled database is stopped; its volumes stay",
	stack.Convex:   "convex is removed: there are no functions and no data without it; its volume stays",
	stack.Platform: "platform is removed: the site has no pages without it",
	stack.Proxy:    "proxy is removed: the site's ports are closed without it",
}

// pull lists the images of what is made anew that the engine does not have.
func (p *Plan) pull(target Target) {
	for _, wanted := range target.Services {
		change, there := p.Of(wanted.Service)
		anew := there && slices.Contains([]Action{Create, Rotate, Recreate}, change.Action)
		if wanted.Pull && anew && change.To.Image == wanted.Image && !slices.Contains(p.Pull, wanted.Image) {
			p.Pull = append(p.Pull, wanted.Image)
		}
	}
}

// leftovers lists what is in the way of the new colours, and what is not asked for any
// more.
func (p *Plan) leftovers(state State, target Target) {
	asked := map[string]bool{}
	for _, wanted := range target.Services {
		asked[wanted.Service] = true
		change, there := p.Of(wanted.Service)
		if !there || change.Resume || change.Action != Rotate {
			continue
		}
		for _, other := range state.Others(wanted.Service) {
			p.Remove = append(p.Remove, Remove{Container: other.ID, Name: other.Name, Why: "the place of " + stack.Coloured(other.Service, other.Colour) + " is needed, and it is " + other.State.Status})
		}
	}
	for _, c := range state.Containers {
		if other := state.Named(c.Service); engine.IsStandIn(c.Name, other) {
			p.Remove = append(p.Remove, Remove{Container: c.ID, Name: c.Name, Why: "it was to take the place of " + other + ", in a run that was killed"})
		}
	}
	if !target.Scope.isWhole() {
		return
	}
	for _, c := range state.Containers {
		if c.Service != "" && !asked[c.Service] {
			cost := removals[c.Service]
			p.Remove = append(p.Remove, Remove{Container: c.ID, Name: c.Name, Why: "the files do not ask for " + c.Service, Cost: cost, After: true})
			if cost != "" && !slices.Contains(p.Consent, cost) {
				p.Consent = append(p.Consent, cost)
			}
		}
	}
}

// ground lists the network and the volumes that are not there.
func (p *Plan) ground(state State, target Target) {
	if !slices.Contains(state.Networks, target.Network) {
		p.Network = target.Network
	}
	for _, volume := range target.Volumes {
		if !slices.Contains(state.Volumes, volume) {
			p.Volumes = append(p.Volumes, volume)
		}
	}
}

// notes says what stays behind the release.
func (p *Plan) notes(state State, target Target) {
	if target.Scope.Rollback {
		return
	}
	behind := map[string][]string{} // services by their version
	for _, wanted := range target.Services {
		current, there := state.Current(wanted.Service)
		change, _ := p.Of(wanted.Service)
		if there && !wanted.Rotates && change.Action == Keep && mayBeBefore(current.Version, wanted.Version) {
			behind[current.Version] = append(behind[current.Version], wanted.Service)
		}
	}
	for _, version := range slices.Sorted(maps.Keys(behind)) {
		services := behind[version]
		p.Notes = append(p.Notes, fmt.Sprintf("%s %s at %s; `tale deploy --all` brings %s to the release's", english.WordSeries(services, "and"),
			english.PluralWord(len(services), "stays", "stay"), cmp.Or(version, "an unknown version"), english.PluralWord(len(services), "it", "them")))
	}
}
