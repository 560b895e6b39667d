package compose

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/dustin/go-humanize/english"
	"go.yaml.in/yaml/v4"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

const overrideName = "compose.override.yml"

// load returns the stack without and with the operator's override; nil if it cannot be
// read. The stack itself is in the form into which compose brings what it reads.
func (b *builder) load() (plain, merged *types.Project) {
	plain = b.base()
	file, found := b.overrideFile()
	switch {
	case b.unreadable != nil:
		return nil, nil
	case !found:
		return plain, plain
	}
	text, err := text(plain)
	base := types.ConfigFile{Filename: "the stack", Content: text}
	if err == nil {
		merged, err = b.parse(b.values(), base, file)
	}
	if err != nil {
		// Compose's words may have a piece of a secret, so they are those about the names.
		if _, masked := b.parse(b.names(), base, file); masked != nil {
			err = masked
		} else {
			err = errors.New("the value of a variable that it refers to does not fit there")
		}
		said := strings.NewReplacer("validating "+file.Filename+": ", "", "failed to parse "+file.Filename+": ", "", "false schema", "is no key of a compose file").Replace(err.Error())
		b.refuse(filepath.Base(file.Filename), "cannot be used: "+said, "a compose file; only what it changes need stand there")
		return nil, nil
	}
	for _, service := range merged.Services {
		for name, options := range service.Networks {
			if options == nil { // as in a list; a value that is null would not be written
				service.Networks[name] = &types.ServiceNetworkConfig{}
			}
		}
	}
	b.checkOverride(filepath.Base(file.Filename), plain, merged)
	return plain, merged
}

// overrideFile returns the file with what the operator changes.
func (b *builder) overrideFile() (file types.ConfigFile, found bool) {
	for _, name := range []string{overrideName, "compose.override.yaml"} {
		path := filepath.Join(b.Project.Dir, name)
		content, err := project.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) || err == nil && isBlank(content):
		case err != nil:
			b.unreadable = err
		case found:
			b.warnings = append(b.warnings, name+" is not read, because there is "+overrideName)
		default:
			file, found = types.ConfigFile{Filename: path, Content: content}, true
		}
	}
	return file, found
}

// isBlank reports whether a file has nothing but comments.
func isBlank(content []byte) bool {
	var document any
	return yaml.Unmarshal(content, &document) == nil && document == nil
}

// values returns the project's settings for a file that refers to them.
func (b *builder) values() types.Mapping {
	values := types.Mapping{}
	for name, value := range b.Settings {
		values[name] = value.Text
	}
	return values
}

// names returns them with the name in the place of a value that is not to be shown.
func (b *builder) names() types.Mapping {
	values := b.values()
	known := stack.Variables()
	for name, value := range values {
		if !slices.Contains(known, name) || b.secrets.Redact(value) != value {
			values[name] = name
		}
	}
	return values
}

// parse merges compose files as compose does, but for variables: they come from the
// project's settings alone.
func (b *builder) parse(values types.Mapping, files ...types.ConfigFile) (*types.Project, error) {
	return parse(b.name, b.Project.Dir, values, files, func(o *loader.Options) {
		o.SkipConsistencyCheck = true // services may still lack what they depend on
		o.Profiles = strings.FieldsFunc(b.Settings.Get("COMPOSE_PROFILES"), func(r rune) bool { return r == ',' })
		o.Interpolate.Substitute = b.substitute
	})
}

func parse(name, dir string, environment types.Mapping, files []types.ConfigFile, options ...func(*loader.Options)) (*types.Project, error) {
	options = append(options, loader.WithDiscardEnvFiles, func(o *loader.Options) { o.SetProjectName(name, true) })
	return loader.LoadWithContext(context.Background(), types.ConfigDetails{WorkingDir: dir, ConfigFiles: files, Environment: environment}, options...)
}

// substitute puts values into a text. Compose puts nothing where a variable is not set;
// what is missing then is worth a word before it is deployed.
func (b *builder) substitute(text string, values template.Mapping) (string, error) {
	return template.SubstituteWithOptions(text, values, template.WithoutLogging, template.WithReplacementFunction(
		func(reference string, values template.Mapping, c *template.Config) (string, error) {
			value, applied, err := template.DefaultReplacementAppliedFunc(reference, values, c)
			if warning := overrideName + ": " + reference + " is not set in .env; nothing is put there"; err == nil && !applied && !slices.Contains(b.warnings, warning) {
				b.warnings = append(b.warnings, warning)
			}
			return value, err
		}))
}

// checkOverride refuses what no container of ours can be made of.
func (b *builder) checkOverride(file string, plain, merged *types.Project) {
	for _, name := range slices.Sorted(maps.Keys(merged.AllServices())) {
		service := merged.AllServices()[name]
		if _, known := plain.Services[name]; !known {
			b.refuse(file, "has the service "+name+", which is not part of the stack", "one of "+strings.Join(slices.Sorted(maps.Keys(plain.Services)), ", ")+"; what runs beside it belongs into a compose file of its own with the network "+plain.Networks[stack.Network].Name)
			continue
		}
		if !b.wanted(name) {
			continue
		}
		keys := refused(service)
		if rotates(name) && !b.development {
			maps.Copy(keys, refusedInColours(service))
		}
		if !b.development {
			b.checkKeeps(file, plain.Services[name], service)
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			b.refuse(file, "sets services."+name+"."+key, keys[key])
		}
	}
	if len(merged.AllJobs()) > 0 {
		b.refuse(file, "has jobs", "services of the stack")
	}
	derived := usedByRefused(plain, merged)
	b.checkSecrets(file, merged, derived)
	for _, name := range slices.Sorted(maps.Keys(merged.Networks)) {
		if network := merged.Networks[name]; !bool(network.External) && !derived["networks."+name] {
			b.refuse(file, "has the network "+name+", which would be another one for each colour", "external: true, after docker network create "+network.Name)
		}
	}
}

// checkSecrets refuses secrets and configs that docker compose does not give to a container: those
// of a swarm, and secrets that would come from the environment of the command.
func (b *builder) checkSecrets(file string, merged *types.Project, derived map[string]bool) {
	given := map[string]bool{} // to containers
	for name, service := range merged.Services {
		for _, secret := range service.Secrets {
			given["secrets."+secret.Source] = given["secrets."+secret.Source] || b.wanted(name)
		}
		for _, config := range service.Configs {
			given["configs."+config.Source] = given["configs."+config.Source] || b.wanted(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(merged.Secrets)) {
		if secret := merged.Secrets[name]; secret.Environment != "" && !derived["secrets."+name] {
			b.refuse(file, "sets secrets."+name+".environment", "a file")
		} else if bool(secret.External) && given["secrets."+name] {
			b.refuse(file, "sets secrets."+name+".external, which a swarm alone has", "a file")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(merged.Configs)) {
		if bool(merged.Configs[name].External) && given["configs."+name] {
			b.refuse(file, "sets configs."+name+".external, which a swarm alone has", "a file or content")
		}
	}
}

// checkNeeds refuses an override that disables what a service of the stack needs and does
// not find elsewhere.
func (b *builder) checkNeeds(present []stack.Service, merged types.Services) {
	names := map[string]bool{}
	for _, service := range present {
		names[service.Name] = true
	}
	backend := hasBackend(merged[stack.Platform])
	for _, service := range present {
		for _, needed := range service.Needs {
			elsewhere, accepted := backend, "there environment.CONVEX_URL of services.platform, of the backend in its place"
			if needed == stack.DB {
				elsewhere, accepted = b.noDatabase() || hasDatabase(merged[service.Name]), "POSTGRES_URL in .env, of the server in its place"
			}
			if names[needed] || !b.Project.Has(needed) || elsewhere {
				continue
			}
			names[needed] = true // said once
			b.refuse(overrideName, "disables "+needed+", which "+service.Name+" needs", accepted)
		}
	}
}

// hasDatabase reports whether the environment of a service leads to another database than
// that of the stack.
func hasDatabase(s types.ServiceConfig) bool {
	names := []string{"POSTGRES_URL"}
	if s.Name != stack.Convex {
		names = append(names, strings.ToUpper(s.Name)+"_DATABASE_URL")
	}
	for _, name := range names {
		at := valueOf(s, name)
		server, err := url.Parse(at)
		if valueOf(s, name+"_FILE") != "" || at != "" && (err != nil || server.Hostname() != stack.DB) {
			return true
		}
	}
	return valueOf(s, "CONVEX_STORAGE") == stack.StorageSQLite || cmp.Or(valueOf(s, "DB_HOST"), stack.DB) != stack.DB
}

// hasBackend reports whether the web application asks another backend than that of the stack.
func hasBackend(platform types.ServiceConfig) bool {
	backend, err := url.Parse(valueOf(platform, "CONVEX_URL"))
	return err == nil && cmp.Or(backend.Hostname(), stack.Convex) != stack.Convex
}

// valueOf returns a variable's value in the environment of a service, "" for none.
func valueOf(s types.ServiceConfig, name string) string {
	return *cmp.Or(s.Environment[name], new(string))
}

// checkProbe warns of a health check that asks localhost: that may be ::1 first, where a
// service listens on IPv4 alone.
func (b *builder) checkProbe(name string, changes []Override) {
	for _, change := range changes {
		warning := fmt.Sprintf("%s: the health check of %s asks localhost, which may be ::1, where it may not listen: write 127.0.0.1", overrideName, name)
		if change.Key == "healthcheck.test" && strings.Contains(change.Override, "//localhost") && !slices.Contains(b.warnings, warning) {
			b.warnings = append(b.warnings, warning)
		}
	}
}

const (
	ofTale   = "nothing there: tale decides it"
	ofColour = "nothing there: two colours of it run beside each other"
)

// refused returns the keys that a service of the stack cannot have, and why.
func refused(s types.ServiceConfig) map[string]string {
	keys := map[string]string{}
	for key, is := range map[string]bool{
		"container_name": s.ContainerName != "", "build": s.Build != nil, "network_mode": s.NetworkMode != "", "provider": s.Provider != nil,
		"scale": s.GetScale() != 1, "links": len(s.Links) > 0, "volumes_from": len(s.VolumesFrom) > 0, "pre_start": len(s.PreStart) > 0,
	} {
		if is {
			keys[key] = ofTale
		}
	}
	if s.Build != nil {
		keys["build"] = "image, of an image that is built already"
	}
	for _, mount := range s.Volumes {
		if mount.Type == types.VolumeTypeBind && strings.Contains(mount.Source, ":") && (mount.Bind == nil || bool(mount.Bind.CreateHostPath)) {
			keys["volumes"] = "no path with a colon, at which docker compose takes " + mount.Source + " to end, unless its bind has create_host_path: false"
		}
	}
	if _, inside := s.Networks[stack.Network]; !inside && s.NetworkMode == "" {
		keys["networks"] = "the network " + stack.Network + " among them: the services find each other there"
	}
	return keys
}

// refusedInColours returns those that only one container can have.
func refusedInColours(s types.ServiceConfig) map[string]string {
	keys := map[string]string{}
	if internal := s.Networks[stack.Network]; internal != nil && (internal.Ipv4Address != "" || internal.Ipv6Address != "" || internal.MacAddress != "") || s.MacAddress != "" {
		keys["networks."+stack.Network] = ofColour
	}
	if slices.ContainsFunc(s.Ports, func(port types.ServicePortConfig) bool { return port.Published != "" && port.Published != "0" }) {
		keys["ports"] = ofColour
	}
	return keys
}

func rotates(name string) bool {
	service, _ := stack.ServiceNamed(name)
	return service.Rotates
}

// overridden compares a service with what it was. An environment that is gone is one change.
func (b *builder) overridden(plain, merged types.ServiceConfig) (changes []Override) {
	if n := len(plain.Environment); n > 1 && len(merged.Environment) == 0 {
		changes = append(changes, Override{Key: "environment", Base: english.Plural(n, "variable", "")})
		plain.Environment = nil
	}
	before, after := map[string]string{}, map[string]string{}
	flatten(before, "", plain)
	flatten(after, "", merged)
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if before[key] == after[key] {
			continue
		}
		change := Override{Key: key, Base: b.secrets.Redact(before[key]), Override: b.secrets.Redact(after[key])}
		if strings.HasPrefix(key, "environment.") {
			change.Base, change.Override = "", ""
		}
		changes = append(changes, change)
	}
	return changes
}

// flatten gives each value of a document the path to it; a list is one value, and so is a
// network that is joined without options.
func flatten(into map[string]string, path string, document any) {
	text, err := json.Marshal(document)
	if err != nil {
		return // of plain types
	}
	var members map[string]json.RawMessage
	var word string
	switch {
	case json.Unmarshal(text, &members) == nil && members != nil && (len(members) > 0 || !strings.HasPrefix(path, "networks.")):
		for name, member := range members {
			flatten(into, strings.TrimPrefix(path+"."+name, "."), member)
		}
	case json.Unmarshal(text, &word) == nil:
		into[path] = word // null is nothing
	default:
		into[path] = string(text)
	}
}
