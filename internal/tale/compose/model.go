package compose

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// Options say what a model is for.
type Options struct {
	Project  *project.Project
	Settings project.Settings
	Images   map[string]string // full references by service
	Versions map[string]string // of the release, by service
	// Foreign names the services whose image is none of those in images/: it gets the
	// rights that it asks for instead of ours, and a health check made with curl. An
	// image of the rag or the crawler that has a health check of its own is not foreign.
	Foreign map[string]bool
	Host    string // instead of HOST
	// Fresh makes convex write its built-in configuration anew. It is not part of
	// Service.Hash, so that the next deploy does not replace convex to take it back.
	Fresh bool
	Port  int // of the development stack on the host; 0 is 443
}

// Model is all the containers that a project can have.
type Model struct {
	Warnings []string // about the override file and settings that are rarely meant, ready to be shown

	project  *project.Project
	network  string
	volumes  []string
	services []Service
	files    map[string]*types.Project // by compose project
}

// Service is one container.
type Service struct {
	Name    string // as in stack
	Colour  string // "" for one that does not rotate, and in development
	Project string // of compose
	// Container is the name of the container.
	Container string
	Image     string
	Named     string // the image as tale.json names it, "" if it does not
	// Hash is "1:" and a hash of all that the container is made of, but for its image
	// and what says the release. It is the same for both colours.
	Hash        string
	Environment map[string]string
	Needs       []string // services that are healthy before it starts
	Stop        time.Duration
	Ports       []engine.Port
	// Joins are the names under which a colour joins the network once it is ready: the
	// service's own would lead requests to one that is not. The proxy knows which colour
	// of the web application is ready, so that this has all its names from the start.
	Joins      []string
	Overridden []Override
	Mounts     []engine.Mount // but what is in memory
	Presumed   Presumed
}

// Override is what compose.override.yml changes. The values of environment variables
// are left out.
type Override struct {
	Key      string `json:"key"`                // such as environment.DEBUG_MODE
	Base     string `json:"base,omitempty"`     // "" where there is nothing
	Override string `json:"override,omitempty"` // the same
}

// Production returns the model of a stack that serves: what stays, and both colours of
// what rotates.
func Production(o Options) (*Model, error) { return build(o, false) }

// Projects returns the compose projects that a stack of production consists of.
func Projects(id string) []string {
	return []string{id, stack.Coloured(id, stack.Blue), stack.Coloured(id, stack.Green)}
}

// DevelopmentID returns what the names of a project's development stack begin with.
func DevelopmentID(id string) string { return id + "-dev" }

// Development returns the model of the stack for developing, where nothing rotates.
func Development(o Options) (*Model, error) { return build(o, true) }

// Service returns a container by the service's name and colour.
func (m *Model) Service(name, colour string) (Service, bool) {
	i := slices.IndexFunc(m.services, func(s Service) bool { return s.Name == name && s.Colour == colour })
	if i < 0 {
		return Service{}, false
	}
	return m.services[i], true
}

// Services returns those of a colour, or for "" those that do not rotate, in the order
// in which they start.
func (m *Model) Services(colour string) (services []Service) {
	for _, service := range m.services {
		if service.Colour == colour {
			services = append(services, service)
		}
	}
	return services
}

// Network returns the network that has to be there before anything starts.
func (m *Model) Network() string { return m.network }

// Volumes returns the volumes that have to be there before anything starts, sorted.
func (m *Model) Volumes() []string {
	return slices.Clone(m.volumes)
}

// builder makes a model.
type builder struct {
	Options
	development bool
	name        string // the beginning of the names of containers, volumes and the network
	secrets     *redact.Redactor
	problems    config.Problems
	unreadable  error // a file
	warnings    []string
}

func build(o Options, development bool) (*Model, error) {
	b := &builder{Options: o, development: development, name: o.Project.File.ID}
	if development {
		b.name = DevelopmentID(b.name)
	}
	b.prepare()
	b.secrets = redact.New(redact.Secrets(b.Settings.Environ()))
	model := &Model{project: o.Project, files: map[string]*types.Project{}}
	plain, merged := b.load()
	if merged == nil {
		return nil, cmp.Or(b.unreadable, b.problems.Err())
	}
	model.network = merged.Networks[stack.Network].Name
	own := b.ownVolumes(merged)
	b.split(model, plain, merged, own)
	for name, file := range model.files {
		file = file.WithoutUnnecessaryResources()
		model.files[name] = file
		for key, volume := range file.Volumes {
			if own[key] {
				model.volumes = append(model.volumes, volume.Name)
			}
		}
	}
	slices.Sort(model.volumes)
	model.volumes = slices.Compact(model.volumes)
	b.validate(model)
	model.Warnings = b.warnings
	if !development { // which has an address of its own
		model.Warnings = append(model.Warnings, model.doubts()...)
	}
	return model, b.problems.Err()
}

// refuse reports a problem, once. What compose says may quote what was put into a file.
func (b *builder) refuse(variable, wrong, accepted string) {
	problem := config.Problem{Variable: variable, Wrong: b.secrets.Redact(wrong), Accepted: accepted}
	if !slices.Contains(b.problems, problem) {
		b.problems = append(b.problems, problem)
	}
}

// wanted reports whether the project has a service: an external or an embedded database
// needs none of ours.
func (b *builder) wanted(name string) bool {
	if name == stack.DB && b.noDatabase() {
		return false
	}
	return b.Project.Has(name)
}

func (b *builder) noDatabase() bool {
	return b.Settings.Get("POSTGRES_URL") != "" || b.Settings.Get("CONVEX_STORAGE") == stack.StorageSQLite
}

// ownVolumes returns those that are the project's by their keys. Compose would give each
// colour the volumes that an override adds: they are one for all.
func (b *builder) ownVolumes(merged *types.Project) map[string]bool {
	own, ofStack := map[string]bool{}, map[string]bool{}
	for _, service := range stack.Services() {
		for _, mount := range service.Mounts {
			ofStack[mount.Volume] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(merged.Volumes)) {
		volume := merged.Volumes[key]
		if plain := volume.Driver == "" && len(volume.DriverOpts) == 0; !bool(volume.External) && plain {
			merged.Volumes[key] = types.VolumeConfig{Name: volume.Name, External: true}
			own[key] = true
		} else if bool(volume.External) && volume.Name == b.name+"_"+key && ofStack[key] {
			own[key] = true
		}
	}
	return own
}

// split gives each container to its compose project.
func (b *builder) split(model *Model, plain, merged *types.Project, own map[string]bool) {
	var present []stack.Service
	for _, service := range stack.Services() {
		if _, enabled := merged.Services[service.Name]; enabled && b.wanted(service.Name) {
			present = append(present, service)
			if merged.Services[service.Name].Image == noImage {
				b.refuse("the image of "+service.Name, "is not known", "a reference")
			}
		}
	}
	b.checkNeeds(present, merged.Services)
	for _, colour := range []string{"", stack.Blue, stack.Green} {
		for _, service := range present {
			if rotates := service.Rotates && !b.development; rotates == (colour != "") {
				b.add(model, container{service, colour, plain.Services[service.Name], merged.Services[service.Name], present, own}, merged)
			}
		}
	}
}

// container is a service of which one container is made.
type container struct {
	stack.Service
	colour        string
	plain, merged types.ServiceConfig
	present       []stack.Service
	own           map[string]bool // volumes that tale makes, by their keys
}

// add puts a container into the file of its compose project.
func (b *builder) add(model *Model, c container, merged *types.Project) {
	name := stack.Coloured(b.name, c.colour)
	file, ok := model.files[name]
	if !ok {
		file = &types.Project{Name: name, Services: types.Services{}, Networks: merged.Networks, Volumes: merged.Volumes, Configs: merged.Configs, Secrets: merged.Secrets}
		model.files[name] = file
	}
	service := Service{
		Name: c.Name, Colour: c.colour, Project: name, Container: stack.Coloured(b.name+"-"+c.Name, c.colour), Image: c.merged.Image, Named: b.Project.File.Images[c.Name],
		Hash: hash(c.merged, merged), Stop: time.Duration(*cmp.Or(c.merged.StopGracePeriod, new(types.Duration))),
		Overridden: b.overridden(c.plain, c.merged), Mounts: mountsOf(c.merged, merged.Volumes), Presumed: presumed(c.merged, merged, c.own),
	}
	b.checkProbe(c.Name, service.Overridden)
	made := b.made(c, &service)
	file.Services[made.Name] = made
	service.Environment = map[string]string{}
	for name, value := range made.Environment {
		if value != nil {
			service.Environment[name] = *value
		}
	}
	for _, port := range made.Ports {
		if public, err := strconv.Atoi(port.Published); err == nil && public > 0 { // of a range the engine takes one, of 0 any
			service.Ports = append(service.Ports, engine.Port{Host: port.HostIP, Public: public, Container: int(port.Target), Protocol: port.Protocol})
		}
	}
	model.services = append(model.services, service)
}

// made returns the container as it stands in the file.
func (b *builder) made(c container, service *Service) types.ServiceConfig {
	made := c.merged
	made.Name, made.ContainerName, made.Profiles, made.PullPolicy = stack.Coloured(c.Name, c.colour), service.Container, nil, types.PullPolicyNever
	made.DependsOn = types.DependsOnConfig{}
	for name, condition := range c.merged.DependsOn {
		i := slices.IndexFunc(c.present, func(s stack.Service) bool { return s.Name == name })
		if i < 0 {
			continue
		}
		service.Needs = append(service.Needs, name)
		switch {
		case c.colour == "" && (b.development || !c.present[i].Rotates):
			made.DependsOn[name] = condition
		case c.colour != "" && c.present[i].Rotates:
			made.DependsOn[stack.Coloured(name, c.colour)] = condition
		}
	}
	slices.Sort(service.Needs)
	made.Networks = b.networks(c, service)
	made.Labels = maps.Clone(c.merged.Labels)
	if made.Labels == nil {
		made.Labels = types.Labels{}
	}
	maps.Copy(made.Labels, map[string]string{engine.LabelProject: b.Project.File.ID, engine.LabelService: c.Name, engine.LabelHash: service.Hash})
	if c.colour != "" {
		made.Labels[engine.LabelColour] = c.colour
	}
	if version := b.Versions[c.Name]; version != "" && c.merged.Image == c.plain.Image {
		made.Labels[engine.LabelVersion] = version
	}
	made.Environment = types.MappingWithEquals{} // an override may have left none
	maps.Copy(made.Environment, c.merged.Environment)
	if c.colour != "" && c.Name == stack.Platform {
		made.Environment[stack.Colour] = &c.colour
	}
	if b.Fresh && c.Name == stack.Convex {
		fresh := "true"
		made.Environment["FORCE_SEED"] = &fresh
	}
	return made
}

// networks returns those of a container, with the names by which the others know it.
// Compose adds the name of the service itself.
func (b *builder) networks(c container, service *Service) map[string]*types.ServiceNetworkConfig {
	networks := map[string]*types.ServiceNetworkConfig{}
	maps.Copy(networks, c.merged.Networks)
	if !c.Rotates {
		return networks
	}
	inside := types.ServiceNetworkConfig{}
	if set := networks[stack.Network]; set != nil {
		inside = *set
	}
	inside.Aliases = append(c.Aliases(cmp.Or(c.colour, stack.Blue)), inside.Aliases...)
	slices.Sort(inside.Aliases)
	inside.Aliases = slices.Compact(inside.Aliases)
	if c.colour != "" && c.Name != stack.Platform {
		service.Joins = slices.Clone(inside.Aliases)
		inside.Aliases = slices.DeleteFunc(inside.Aliases, func(alias string) bool { return alias == c.Name })
	}
	networks[stack.Network] = &inside
	return networks
}

// validate reads every file as the plugin will, until one is refused: those of the colours have
// the same faults, and what is missing may be so to all. Environments are left out: any text may
// stand there, and they are most of what there is to read.
func (b *builder) validate(model *Model) {
	if len(b.problems) > 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(model.files)) {
		file := model.files[name]
		bare := *file
		bare.Services = types.Services{}
		for name, service := range file.Services {
			service.Environment = nil
			bare.Services[name] = service
		}
		text, err := text(&bare)
		if err == nil {
			_, err = parse(name, b.Project.Dir, nil, []types.ConfigFile{{Filename: name + ".yml", Content: text}})
		}
		if err != nil {
			b.refuse("compose project "+name, fmt.Sprintf("is not valid: %v", err), "a stack that compose takes; look into "+overrideName)
			return
		}
	}
}
