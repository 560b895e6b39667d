package tale

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

func (a *app) envCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [SERVICE…]",
		Short: "Check the settings and print what each service gets of them",
		Long: `Check .env as tale deploy does, and print what each service gets: the variables, their
values, and where each comes from: .env, the shell, a default or compose.override.yml.
Secrets are not shown, nor is any value that the stack does not know. No engine is asked.

Exit codes: 0 all is well; 64 usage, or no such service; 78 what is wrong with .env,
tale.json or compose.override.yml, all of it.`,
		Example:           "  tale env check\n  tale env check platform\n  tale env check --json | jq .services.convex.SITE_URL",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.CompleteServices,
		RunE: func(command *cobra.Command, args []string) error {
			p, err := a.Open()
			if err != nil {
				return err
			}
			settings, err := p.Settings(a.Environ)
			if err != nil {
				return err
			}
			model, err := compose.Production(compose.Options{Project: p, Settings: settings, Images: anyImages()})
			if err != nil {
				return err
			}
			warnings := append(append([]string{}, p.Warnings...), model.Warnings...)
			given, err := environments(model, settings, args)
			if err != nil {
				return err
			}
			for _, warning := range warnings {
				if !a.JSON {
					command.PrintErrln("warning:", warning)
				}
			}
			document := map[string]any{"services": given, "fromShell": append([]string{}, settings.FromShell()...), "warnings": warnings}
			return a.Print(command.OutOrStdout(), document, inLines(p.ServiceNames(), given))
		},
	}
}

// anyImages returns images for a model that is asked for its environment only.
func anyImages() map[string]string {
	images := map[string]string{}
	for _, service := range stack.Services() {
		images[service.Name] = "tale-" + service.Name
	}
	return images
}

// givenValue is what a service gets of a variable, fit to be shown.
type givenValue struct {
	Value  string `json:"value"`
	Source string `json:"source"`
}

func environments(model *compose.Model, settings project.Settings, only []string) (map[string]map[string]givenValue, error) {
	given, every := map[string]map[string]givenValue{}, map[string]bool{}
	for _, service := range append(model.Services(""), model.Services(stack.Blue)...) {
		every[service.Name] = true
		if len(only) > 0 && !slices.Contains(only, service.Name) {
			continue
		}
		given[service.Name] = map[string]givenValue{}
		for name, text := range service.Environment {
			given[service.Name][name] = givenValue{shown(name, text), source(service, name, settings)}
		}
	}
	for _, name := range only {
		if given[name] == nil {
			return nil, exit.Errorf(exit.Usage, "there is no service %q; those of the project are %s", name, strings.Join(slices.Sorted(maps.Keys(every)), ", "))
		}
	}
	return given, nil
}

func source(service compose.Service, name string, settings project.Settings) string {
	if slices.ContainsFunc(service.Overridden, func(o compose.Override) bool { return o.Key == "environment."+name }) {
		return "override"
	}
	for _, s := range stack.Services() {
		for _, given := range s.Environment {
			if s.Name != service.Name || given.Name != name {
				continue
			}
			if value := settings[given.Source()]; given.Rule != stack.Always && value.Text != "" {
				return string(value.From)
			}
			return string(project.FromDefault)
		}
	}
	if from := settings[name].From; from != "" {
		return string(from)
	}
	return string(project.FromDefault)
}

var secretName = regexp.MustCompile(`SECRET|PASSWORD|TOKEN|KEY|HMAC|DSN`)

// shown returns what may be seen of a value: what the stack knows to be no secret.
func shown(name, text string) string {
	known := slices.Contains(stack.Variables(), name) || slices.ContainsFunc(stack.Services(), func(s stack.Service) bool {
		return slices.ContainsFunc(s.Environment, func(g stack.Given) bool { return g.Name == name })
	})
	switch {
	case text == "":
		return "(empty)"
	case !known || secretName.MatchString(name):
		return "(not shown, " + english.Plural(len([]rune(text)), "character", "") + ")"
	}
	if u, err := url.Parse(text); err == nil && u.User != nil {
		text = u.Redacted()
	} else if strings.HasSuffix(name, "_URL") && strings.Contains(text, "@") {
		return "(not shown: a URL that cannot be read)"
	}
	return fmt.Sprintf("%q", text)
}

func inLines(order []string, given map[string]map[string]givenValue) string {
	var rows [][]string
	for _, service := range order {
		values, there := given[service]
		if !there {
			continue
		}
		rows = append(rows, []string{service})
		for _, name := range slices.Sorted(maps.Keys(values)) {
			rows = append(rows, []string{"  " + name, values[name].Source, values[name].Value})
		}
	}
	return console.Table(rows)
}
