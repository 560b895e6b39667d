package compose

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// prepare changes the settings as the options say. A stack for developing is where it was
// asked to be, and has a certificate of its own.
func (b *builder) prepare() {
	b.Settings = maps.Clone(b.Settings)
	if b.Settings == nil {
		b.Settings = project.Settings{}
	}
	set := func(name, text string) {
		b.Settings[name] = project.Value{Text: text, From: cmp.Or(b.Settings[name].From, project.FromShell)}
	}
	if b.Host != "" {
		set("HOST", b.Host)
	}
	if !b.development || b.Settings.Get("TLS_MODE") == stack.TLSExternal {
		return
	}
	set("TLS_MODE", stack.TLSSelfSigned)
	if host := b.Settings.Get("HOST"); host != "" && (b.Host != "" || b.Port != 0) {
		site := "https://" + stack.InURL(host)
		if b.Port != 0 && b.Port != stack.HTTPSPort {
			site += ":" + strconv.Itoa(b.Port)
		}
		set("SITE_URL", site)
	}
}

// environment returns what a service is given.
func (b *builder) environment(service stack.Service) types.MappingWithEquals {
	environment := types.MappingWithEquals{}
	set := func(name, text string) { environment[name] = &text }
	if service.EnvFile {
		for name, value := range b.Settings {
			if value.From == project.FromFile || value.From == project.Inherited {
				set(name, value.Text)
			}
		}
	}
	for _, given := range service.Environment {
		from := b.Settings[given.Source()]
		isSet := from.From != "" && from.From != project.FromDefault
		switch {
		case given.Rule == stack.Always:
			set(given.Name, given.Default)
		case given.Rule == stack.IfSet && !isSet:
		case given.Rule == stack.IfSet:
			set(given.Name, from.Text)
		default:
			b.require(service, given, from.Text)
			set(given.Name, cmp.Or(from.Text, given.Default))
		}
	}
	if version := b.Versions[service.Name]; version != "" && (service.EnvFile || environment[stack.Version] != nil) {
		set(stack.Version, version)
	}
	b.checkText(service, environment)
	return environment
}

func (b *builder) require(service stack.Service, given stack.Given, text string) {
	needless := given.Source() == "DB_PASSWORD" && b.noDatabase()
	if given.Rule == stack.Required && text == "" && !needless && b.wanted(service.Name) {
		b.refuse(given.Source(), "is not set", "a value in .env; tale init writes fresh secrets there")
	}
}

// longestVariable is what Linux hands to a program: 128 KiB with the name, the = and a zero
// byte. No program starts with more.
const longestVariable = 128<<10 - 2

// checkText refuses what no YAML file can hold, and what no container can be given.
func (b *builder) checkText(service stack.Service, environment types.MappingWithEquals) {
	if !b.wanted(service.Name) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		switch value := *environment[name]; {
		case !utf8.ValidString(value):
			b.refuse(name, "is not UTF-8", "text in UTF-8, or base64")
		case len(name)+len(value) > longestVariable:
			b.refuse(name, "is longer than the 128 KiB that Linux hands to a program", "a shorter value, or a file that compose.override.yml mounts")
		}
	}
}
