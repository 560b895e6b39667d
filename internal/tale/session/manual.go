package session

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// ExitCodes are those of most commands, for their help.
const ExitCodes = `
Exit codes: 0 done, or nothing to do; 1 failed, nothing changed or rolled back;
2 declined; 3 degraded; 4 down; 10 a dry run with changes; 11 failed and not fully
rolled back; 64 usage, or a question without a terminal; 65 release refused; 69 engine
or registry unreachable; 75 locked; 77 login or permission; 78 configuration;
130 interrupted: taken back; or at a second Ctrl-C ended at once, as the last line says.`

// Group returns a command that only has others.
func Group(name, short string, commands ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{Use: name, Short: short, RunE: Help}
	command.AddCommand(commands...)
	return command
}

// Help prints the help of a command that does nothing by itself.
func Help(command *cobra.Command, _ []string) error { return command.Help() }

// Settings returns what the commands read that start a stack. What a container needs
// stands first with them, too: they do not start one without.
func Settings() []config.Variable {
	variables := config.Describe(struct {
		stack.Start
		stack.Release
		stack.Site
		stack.Instance
		stack.Database
		stack.ExtraSites
	}{})
	find := func(name string) int {
		return slices.IndexFunc(variables, func(v config.Variable) bool { return v.Name == name })
	}
	for _, name := range stack.Variables() {
		if find(name) < 0 {
			variables = append(variables, config.Variable{Name: name})
		}
	}
	for i := range variables {
		variables[i].Required = false
	}
	for _, service := range stack.Services() {
		for _, given := range service.Environment {
			if given.Rule == stack.Required {
				variables[find(given.Source())].Required = true
			}
		}
	}
	return variables
}

// EngineSettings returns what finds the engine, as the docker command does.
func EngineSettings() []config.Variable {
	return []config.Variable{
		{Name: "DOCKER_HOST", Tier: config.TierOperator, Doc: "The Docker engine, such as ssh://ann@host; default: that of the docker context"},
		{Name: "DOCKER_CONTEXT"}, {Name: "DOCKER_CONFIG"}, {Name: "DOCKER_TLS_VERIFY"}, {Name: "DOCKER_CERT_PATH"}, {Name: "DOCKER_API_VERSION"},
	}
}

// Reading gives the help of a command the settings that it reads.
func Reading(command *cobra.Command, groups ...func() []config.Variable) *cobra.Command {
	return cli.Manual{Reads: func() (all []config.Variable) {
		for _, group := range groups {
			all = append(all, group()...)
		}
		return all
	}}.For(command)
}
