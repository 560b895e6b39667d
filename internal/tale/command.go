// Package tale is the tale command: it makes a project, deploys its stack to a Docker
// engine and looks after it. It is the command line and nothing else: a file a command,
// each of which asks the packages below (project, compose, engine, rollout) and says
// what came of it.
package tale

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

const exitCodes = `
Exit codes: 0 done, or nothing to do; 1 failed, nothing changed or rolled back;
2 declined; 3 degraded; 4 down; 10 a dry run with changes; 11 failed and not fully
rolled back; 64 usage, or a question without a terminal; 65 release refused; 69 engine
or registry unreachable; 75 locked; 77 login or permission; 78 configuration;
130 interrupted.`

// app is what all commands share: the environment and the global flags.
type app struct {
	environ config.Environ
	folder  string // --project
	json    bool
	yes     bool
	noColor bool
	self    string // what helpers run, "" is this program
}

// Command returns the command line.
func Command(environ config.Environ) *cobra.Command {
	// The reader of compose files logs what it thinks of a value, and the value.
	logrus.SetOutput(io.Discard)
	a := &app{environ: environ}
	root := &cobra.Command{
		Use:   "tale",
		Short: "Deploy a stack and look after it",
		Long:  "Deploy a stack of a web application and its Convex backend to a Docker engine, without\ndowntime, and look after it. A new one: tale init, then tale deploy.\n" + exitCodes,
		RunE:  help,

		PersistentPreRunE: cli.CheckValues,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.folder, "project", "", "folder `DIR` of the project; default: the nearest one with a tale.json, from here upwards")
	flags.BoolVar(&a.json, "json", false, "print JSON to stdout")
	flags.BoolVarP(&a.yes, "yes", "y", false, "answer yes to what would be asked")
	flags.BoolVar(&a.noColor, "no-color", false, "print no colours, as with NO_COLOR")
	root.Flags().BoolP("version", "V", false, "print the version")
	root.Version = version.String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(
		a.initCommand(),
		group("env", "The project's settings", reading(a.envCheckCommand(), settings)),
		group("config", "The project's folder", a.configShowCommand()),
		a.historyCommand(),
		cli.CompletionCommand("tale"),
		helperCommand(),
		a.versionCommand(),
		reading(a.deployCommand(), settings, engineSettings),
		reading(a.rollbackCommand(), settings, engineSettings),
		reading(a.statusCommand(), settings, engineSettings),
		reading(a.logsCommand(), engineSettings),
		reading(a.cleanupCommand(), settings, engineSettings),
		reading(a.resetCommand(), engineSettings),
		reading(a.stopCommand(), engineSettings),
		reading(a.backupCommand(), settings, engineSettings),
		reading(a.restoreCommand(), settings, engineSettings),
		reading(a.startCommand(), settings, engineSettings),
		reading(a.doctorCommand(), settings, engineSettings),
		a.upgradeCommand(),
		a.databaseCommand(),
		reading(a.filesCommand(), engineSettings),
		reading(a.adminKeyCommand("admin-key"), engineSettings),
		group("convex", "The Convex backend", reading(a.adminKeyCommand("admin"), engineSettings)),
		group("auth", "The accounts of the app", reading(a.resetOwnerCommand(), engineSettings)),
	)
	return cli.Manual{Page: "docs/tale.md, docs/environment.md"}.For(root)
}

// group returns a command that only has others.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{Use: name, Short: short, RunE: help}
	command.AddCommand(commands...)
	return command
}

func help(command *cobra.Command, _ []string) error { return command.Help() }

// settings returns what the commands read that start a stack. What a container needs
// stands first with them, too: they do not start one without.
func settings() []config.Variable {
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

// engineSettings returns what finds the engine, as the docker command does.
func engineSettings() []config.Variable {
	return []config.Variable{
		{Name: "DOCKER_HOST", Tier: config.TierOperator, Doc: "The Docker engine, such as ssh://ann@host; default: that of the docker context"},
		{Name: "DOCKER_CONTEXT"}, {Name: "DOCKER_CONFIG"}, {Name: "DOCKER_TLS_VERIFY"}, {Name: "DOCKER_CERT_PATH"}, {Name: "DOCKER_API_VERSION"},
	}
}

// reading gives the help of a command the settings that it reads.
func reading(command *cobra.Command, groups ...func() []config.Variable) *cobra.Command {
	return cli.Manual{Reads: func() (all []config.Variable) {
		for _, group := range groups {
			all = append(all, group()...)
		}
		return all
	}}.For(command)
}

// open returns the project that the command is about.
func (a *app) open() (*project.Project, error) {
	if a.folder != "" {
		return project.Find(a.folder)
	}
	return project.Find(".")
}

// prompter asks on the streams of a command: on stderr, because stdout is for data.
func (a *app) prompter(command *cobra.Command) *console.Prompter {
	return console.NewPrompter(command.InOrStdin(), command.ErrOrStderr())
}

func (a *app) progress(command *cobra.Command, quiet bool) *console.Progress {
	return console.NewProgress(console.Options{
		Data: command.OutOrStdout(), Talk: command.ErrOrStderr(), JSON: a.json, Quiet: quiet, Dumb: a.environ["TERM"] == "dumb",
	})
}

// agree asks whether to go on, for the reasons given. No is the answer by default.
func (a *app) agree(command *cobra.Command, reasons []string) error {
	if a.yes {
		return nil
	}
	p := a.prompter(command)
	if !p.Terminal() {
		return exit.Errorf(exit.Usage, "there is no terminal to ask on whether to go on although %s: say so with --yes", strings.Join(reasons, "; "))
	}
	for _, reason := range reasons {
		command.PrintErrf("  %s\n", reason)
	}
	answer, err := p.Line("Go on? [y/N] ")
	if exit.Code(err) == exit.Interrupted {
		return err
	}
	if answer = strings.ToLower(answer); err != nil || answer != "y" && answer != "yes" {
		return exit.With(exit.Declined, errDeclined)
	}
	return nil
}

// printJSON prints a document.
func printJSON(out io.Writer, document any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}
