package rollout_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// files are a project's: what its tale.json and its override say of images.
type files struct {
	registry, version string
	project           *project.Project
	override          string // image of the database
}

// walk is a project whose files and images change, deploy after deploy.
type walk struct {
	*testing.T
	random *rand.Rand
	state  rollout.State
	made   map[string]*compose.Model // the same files and makes give the same model
	built  int                       // images
}

// exactly returns the image that the files name for a service, "" if they leave the
// version to the release, or the whole of it.
func (f files) exactly(service string) string {
	if f.override != "" && service == stack.DB {
		return f.override
	}
	if name := f.project.File.Images[service]; engine.Tag(name) != "" {
		return name
	}
	return ""
}

func (w *walk) aim(f files, scope rollout.Scope) (*compose.Model, rollout.Target) {
	w.Helper()
	o := compose.Options{Project: f.project, Settings: project.Settings{"SITE_URL": {Text: "https://tale.local"}}, Images: map[string]string{}, Versions: map[string]string{}}
	for _, name := range []string{"DB_PASSWORD", "INSTANCE_SECRET", "BETTER_AUTH_SECRET", "ENCRYPTION_SECRET_HEX"} {
		o.Settings[name] = project.Value{Text: "value-of-" + name}
	}
	for _, service := range f.project.Services() {
		name, version := f.project.File.Images[service.Name], f.version
		switch {
		case name == "":
			name = f.registry + "/tale-" + service.Name + ":" + version
		case engine.Tag(name) == "":
			name += ":" + version
		default:
			version = engine.Tag(name)
		}
		o.Images[service.Name], o.Versions[service.Name] = name, version
	}
	model, target, err := w.state.Aim("p", f.version, o, scope, func(o compose.Options) (*compose.Model, error) {
		key := fmt.Sprint(o.Images, o.Foreign, f.override)
		if made, there := w.made[key]; there {
			return made, nil
		}
		made, err := compose.Production(o)
		w.made[key] = made
		return made, err
	})
	if err != nil {
		w.Fatal(err)
	}
	return model, target
}

// build makes an image; what had its name before has none any more.
func (w *walk) build(name string) {
	w.state.Images = slices.Clone(w.state.Images)
	for i, image := range w.state.Images {
		if image.Is(name) {
			w.state.Images[i].Tags = nil
		}
	}
	w.built++
	labels := map[string]string{"org.opencontainers.image.source": "https://example.com/tale-runtime"}
	if strings.HasPrefix(name, "shell/") || !strings.HasPrefix(name, "r/") && w.random.IntN(2) == 0 {
		labels = map[string]string{engine.LabelImageVersion: "5.5.5"}
	}
	w.state.Images = append(w.state.Images, engine.Image{ID: fmt.Sprintf("sha256:%04d", w.built), Tags: []string{name}, Labels: labels})
}

func (w *walk) image(name string) engine.Image {
	i := slices.IndexFunc(w.state.Images, func(image engine.Image) bool { return image.Is(name) })
	if i < 0 {
		return engine.Image{}
	}
	return w.state.Images[i]
}

// deploy does what a plan says, the pull first.
func (w *walk) deploy(f files, scope rollout.Scope) rollout.Plan {
	w.Helper()
	_, target := w.aim(f, scope)
	plan := rollout.NewPlan(w.state, target)
	for _, name := range plan.Pull {
		w.build(name)
	}
	model, _ := w.aim(f, scope)
	for i, change := range plan.Changes {
		if slices.Contains(plan.Pull, change.To.Image) {
			plan.Changes[i].To.ImageID = w.image(change.To.Image).ID
		}
	}
	var wants []rollout.Wanted
	for _, wanted := range target.Services {
		for colour := range wanted.Made {
			wanted.Made[colour], _ = model.Service(wanted.Service, colour)
		}
		wants = append(wants, wanted)
	}
	w.state = apply(w.state, plan, wants)
	w.state.Volumes, w.state.Networks = target.Volumes, []string{target.Network}
	for i, c := range w.state.Containers {
		change, _ := plan.Of(c.Service)
		if change.Action == rollout.Keep || change.Colour != c.Colour {
			continue
		}
		made, _ := model.Service(c.Service, c.Colour)
		w.state.Containers[i].Aliases = map[string][]string{"p_internal": made.Joins}
		if f.override != "" && c.Service == stack.DB { // it is not labelled, and the image says which version it is
			w.state.Containers[i].Version = cmp.Or(w.image(c.Image).Labels[engine.LabelImageVersion], engine.Tag(c.Image))
		}
	}
	return plan
}

// check reports what a deploy has left undone, or has done for nothing.
func (w *walk) check(f files, scope rollout.Scope, plan rollout.Plan) (wrong []string) {
	model, target := w.aim(f, scope)
	proxy, _ := plan.Of(stack.Proxy)
	if again := rollout.NewPlan(w.state, target); !again.Empty() {
		wrong = append(wrong, "there is more to do: "+brief(again))
	}
	for _, wanted := range target.Services {
		c, _ := w.state.Current(wanted.Service)
		change, _ := plan.Of(wanted.Service)
		name := f.exactly(wanted.Service)
		followed := len(scope.Only) == 0 || slices.Contains(scope.Only, wanted.Service)
		older := slices.ContainsFunc(plan.Notes, func(note string) bool { return strings.Contains(note, "cannot be undone") })
		switch {
		case name != "" && followed && (wanted.Service != stack.Convex || !older) && c.ImageID != w.image(name).ID:
			wrong = append(wrong, fmt.Sprintf("%s is of %s %s, and %s is named, which is %s", c.Name, c.Image, c.ImageID, name, w.image(name).ID))
		case wanted.Service == stack.Convex && proxy.Action == rollout.Recreate: // its settings go by who has made the proxy
		case change.Action == rollout.Recreate && change.From.ImageID == c.ImageID && change.From.Version == c.Version:
			wrong = append(wrong, fmt.Sprintf("%s was replaced by what it was: %v", c.Name, change.Why))
		}
		if named := f.project.File.Images[wanted.Service]; named != "" && name == "" && followed && !older && engine.Repository(c.Image) != named {
			wrong = append(wrong, fmt.Sprintf("%s is of %s, and %s is named", c.Name, c.Image, named))
		}
		if made, _ := model.Service(c.Service, c.Colour); followed && c.Hash != made.Hash {
			wrong = append(wrong, c.Name+" is not made as its image needs it")
		}
	}
	return wrong
}

// TestNamedImagesAreFollowed: whatever tale.json and the override have named, and whoever
// has made the images, a deploy brings those that are named, leaves nothing to do, and
// replaces nothing by what it was.
func TestNamedImagesAreFollowed(t *testing.T) {
	var all []files
	for i, images := range []map[string]string{
		{}, {stack.DB: "acme/db:7"}, {stack.DB: "acme/db:8", stack.Proxy: "acme/proxy:7"}, {stack.DB: "mine/db"},
		{stack.Convex: "acme/convex:1.0.5", stack.Platform: "acme/shop:3"}, {stack.Convex: "mine/convex", stack.Platform: "acme/shop"}, {},
	} {
		dir := t.TempDir()
		f := files{project: &project.Project{Dir: dir, File: project.File{ID: "p", Services: []string{stack.DB, stack.Convex, stack.Platform, stack.Proxy, stack.RAG}, Images: images}}}
		if i == 6 {
			f.override = "other/db:9"
			if err := os.WriteFile(filepath.Join(dir, "compose.override.yml"), []byte("services: {db: {image: 'other/db:9'}}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, registry := range []string{"r", "shell"} {
			for _, version := range []string{"1.0.0", "1.0.1", "1.1.0"} {
				f.registry, f.version = registry, version
				all = append(all, f)
			}
		}
	}
	random := rand.New(rand.NewPCG(3, 3))
	made := map[string]*compose.Model{}
	for round := range 12 {
		w := &walk{T: t, random: random, made: made, state: state(rollout.Serving{})}
		for _, name := range []string{"r/tale-proxy:1.0.0", "r/tale-proxy:1.0.1", "r/tale-proxy:1.1.0", "shell/tale-proxy:1.0.0", "shell/tale-proxy:1.0.1", "shell/tale-proxy:1.1.0", "acme/proxy:7"} {
			w.build(name) // convex's settings go by who has made the proxy: a pull is no time to learn that
		}
		var history []string
		for range 8 {
			f, scope := all[random.IntN(len(all))], []rollout.Scope{{}, {}, {}, {All: true}, {Only: []string{stack.RAG}}}[random.IntN(5)]
			if len(w.state.Containers) == 0 {
				scope = rollout.Scope{}
			}
			if n := len(w.state.Images); n > 0 && random.IntN(3) == 0 {
				if tags := w.state.Images[random.IntN(n)].Tags; len(tags) > 0 {
					w.build(tags[0])
					history = append(history, tags[0]+" is built anew")
				}
			}
			plan := w.deploy(f, scope)
			history = append(history, fmt.Sprintf("%s %s %v %s, %+v: %s", f.registry, f.version, f.project.File.Images, f.override, scope, brief(plan)))
			if wrong := w.check(f, scope, plan); len(wrong) > 0 {
				t.Fatalf("round %d:\n%s\n\n%s", round, strings.Join(history, "\n"), strings.Join(wrong, "\n"))
			}
		}
	}
}

// TestAPulledImageIsKnown: who has made an image is seen once it is here, before its first
// container is made, so that the next deploy has nothing to do.
func TestAPulledImageIsKnown(t *testing.T) {
	h := newHost(t)
	h.AddRemote(enginetest.Image{Tags: []string{"r.example/acme/db:7"}, HealthCheck: true})
	h.project.File.Images = map[string]string{stack.DB: "r.example/acme/db:7"}
	h.mustDeploy("1.0.0")
	if plan, _ := h.plan("1.0.0", rollout.Scope{}); !plan.Empty() {
		t.Errorf("there is more to do: %s: %+v", brief(plan), plan.Changes)
	}
}
