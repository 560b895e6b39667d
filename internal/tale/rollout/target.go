package rollout

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Target is what the files ask for.
type Target struct {
	Project  string // id
	Version  string // of the release
	Services []Wanted
	Volumes  []string
	Network  string
	Scope    Scope
}

// Scope says which services a deploy may touch, beside those that do not run at all.
type Scope struct {
	All      bool     // also bring those that do not rotate to the release's version
	Only     []string // these rotating services and nothing else
	Rollback bool     // rotating services alone, to an earlier release
}

func (s Scope) names(service string) bool {
	return len(s.Only) == 0 || slices.Contains(s.Only, service)
}

// isWhole reports whether it is of the stack, as the files ask for it.
func (s Scope) isWhole() bool { return !s.Rollback && len(s.Only) == 0 }

// Wanted is what the files ask of one service.
type Wanted struct {
	Service string
	Rotates bool
	Version string
	Image   string // reference
	ImageID string // "" while the engine does not have it
	Pull    bool   // the registry decides: the engine has none, or the tag moves
	Pinned  bool   // tale.json names the image with its tag, or the override names it
	Needed  string // why a service that does not rotate has to follow the release, "" if it need not
	Anew    string // why it is replaced though nothing differs, "" if it is not
	Needs   []string
	Made    map[string]compose.Service // by colour; "" for what does not rotate
}

// Aim returns what a stack has to become: the containers as build makes them of the
// options, whose Foreign it fills in, and which of them a deploy is to bring. What stays at
// its image is made as that image needs it, whatever image the files name.
func (s State) Aim(id, version string, o compose.Options, scope Scope, build func(compose.Options) (*compose.Model, error)) (*compose.Model, Target, error) {
	images := maps.Clone(o.Images)
	for {
		o.Foreign = s.OtherMakes(images)
		model, err := build(o)
		if err != nil {
			return nil, Target{}, err
		}
		target := s.target(id, version, model, o.Versions, scope)
		for _, change := range NewPlan(s, target).Changes {
			images[change.Service] = cmp.Or(change.To.ImageID, change.To.Image)
		}
		if maps.Equal(s.OtherMakes(images), o.Foreign) {
			return model, target, nil
		}
	}
}

// OtherMakes returns the services whose image is of another make than those of images/: of
// an image that the engine has not yet, ours is assumed, but for the Python services.
func (s State) OtherMakes(references map[string]string) map[string]bool {
	others := map[string]bool{stack.RAG: true, stack.Crawler: true}
	for service, reference := range references {
		if s.isOfOtherMake(reference) {
			others[service] = true
		}
	}
	return others
}

// isOfOtherMake reports whether the engine has an image, by reference or id, that is not ours.
func (s State) isOfOtherMake(image string) bool {
	found, there := s.image(image)
	return there && !engine.IsOurs(found.Labels)
}

// target returns what the files ask for, with the images as the engine has them.
func (s State) target(id, version string, model *compose.Model, versions map[string]string, scope Scope) Target {
	target := Target{Project: id, Version: version, Scope: scope, Volumes: model.Volumes(), Network: model.Network()}
	for _, service := range stack.Services() {
		wanted := Wanted{Service: service.Name, Made: map[string]compose.Service{}}
		var named string
		var overridden bool
		for _, colour := range []string{"", stack.Blue, stack.Green} { // in development nothing has colours
			if made, ok := model.Service(service.Name, colour); ok {
				wanted.Made[colour], wanted.Rotates, named = made, colour != "", made.Named
				wanted.Image, wanted.Version, wanted.Needs = made.Image, versions[service.Name], made.Needs
				overridden = slices.ContainsFunc(made.Overridden, func(o compose.Override) bool { return o.Key == "image" })
			}
		}
		if len(wanted.Made) == 0 {
			continue
		}
		image, there := s.image(wanted.Image)
		wanted.ImageID, wanted.Pull = image.ID, !there
		wanted.Pinned = overridden || engine.Tag(named) != ""
		if overridden {
			named = ""
			wanted.Version = cmp.Or(image.Labels[engine.LabelImageVersion], engine.Tag(wanted.Image))
		}
		wanted.Needed = s.needed(wanted, named)
		target.Services = append(target.Services, wanted)
	}
	return target
}

// needed returns why a service that does not rotate has to follow the release. The backend
// does at every minor version, since functions and built-in data of a release are made for
// the backend of the same one, and not for a patch. One that tale.json names without a tag
// does where it is of another repository.
func (s State) needed(wanted Wanted, named string) string {
	current, there := s.Current(wanted.Service)
	if !there {
		return ""
	}
	image, _ := s.image(current.ImageID)
	of := func(name string) bool { return engine.Repository(name) == engine.Repository(named) }
	names := slices.Concat(image.Tags, image.Digests)
	if len(names) == 0 && engine.Tag(current.Image) != "" { // another image has the name by now
		names = []string{current.Image}
	}
	if named != "" && len(names) > 0 && !slices.ContainsFunc(names, of) {
		return "tale.json names another image"
	}
	if wanted.Service == stack.Convex && IsBeforeMinor(current.Version, wanted.Version) {
		return "releases of another minor version need the backend of theirs"
	}
	return ""
}
