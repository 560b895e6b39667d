// Package tale is the tale command: it makes a project, deploys its stack to a Docker
// engine and looks after it. It is the command line and nothing else: a file a command,
// here and in the packages deploy, data, db and teardown, each of which asks those below
// (project, compose, engine, rollout) and says what came of it.
package tale

import (
	"io"
	"slices"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/data"
	"github.com/tale-project/tale-runtime/internal/tale/db"
	"github.com/tale-project/tale-runtime/internal/tale/deploy"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/teardown"
)

// app is what the commands share, with those that are here.
type app struct{ *session.App }

// Command returns the command line.
func Command(environ config.Environ) *cobra.Command {
	// The reader of compose files logs what it thinks of a value, and the value.
	logrus.SetOutput(io.Discard)
	a := &app{&session.App{Environ: environ}}
	root := &cobra.Command{
		Use:     "tale",
		Short:   "Deploy a stack and look after it",
		Long:    "Deploy a stack of a web application and its Convex backend to a Docker engine, without\ndowntime, and look after it. A new one: tale init, then tale deploy.\n" + session.ExitCodes,
		Example: "  tale init --host example.com --tls letsencrypt\n  tale deploy\n  tale status\n  tale rollback",
		RunE:    session.Help,

		PersistentPreRunE: cli.CheckValues,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.Folder, "project", "", "folder `DIR` of the project; default: the nearest one with a tale.json, from here upwards")
	flags.BoolVar(&a.JSON, "json", false, "print JSON to stdout")
	flags.BoolVarP(&a.Yes, "yes", "y", false, "answer yes to what would be asked")
	flags.BoolVar(&a.NoColor, "no-color", false, "print no colours, as with NO_COLOR")
	root.Flags().BoolP("version", "V", false, "print the version")
	root.Version = version.String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(
		a.initCommand(),
		session.Group("env", "The project's settings", session.Reading(a.envCheckCommand(), session.Settings)),
		session.Group("config", "The project's folder", a.configShowCommand()),
		a.historyCommand(),
		cli.CompletionCommand("tale"),
		helperCommand(),
		a.versionCommand(),
		session.Reading(a.statusCommand(), session.Settings, session.EngineSettings),
		session.Reading(a.logsCommand(), session.EngineSettings),
		session.Reading(a.doctorCommand(), session.Settings, session.EngineSettings),
		a.upgradeCommand(),
		db.Command(a.App),
		session.Reading(a.filesCommand(), session.EngineSettings),
		session.Reading(a.adminKeyCommand("admin-key"), session.EngineSettings),
		session.Group("convex", "The Convex backend", session.Reading(a.adminKeyCommand("admin"), session.EngineSettings)),
		session.Group("auth", "The accounts of the app", session.Reading(a.resetOwnerCommand(), session.EngineSettings)),
	)
	root.AddCommand(slices.Concat(deploy.Commands(a.App), data.Commands(a.App), teardown.Commands(a.App))...)
	return cli.Manual{Page: "docs/tale.md, docs/environment.md"}.For(root)
}
