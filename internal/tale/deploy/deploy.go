// Package deploy has the commands that bring a stack to a release: deploy, rollback, and
// start for development. What they do is planned and carried out by package rollout.
package deploy

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// app is what all commands share, with those that are here.
type app struct{ *session.App }

// Commands returns those that bring a stack to a release.
func Commands(shared *session.App) []*cobra.Command {
	a := &app{shared}
	reading := func(command *cobra.Command) *cobra.Command {
		return session.Reading(command, session.Settings, session.EngineSettings)
	}
	return []*cobra.Command{reading(a.deployCommand()), reading(a.rollbackCommand()), reading(a.startCommand())}
}

// deployOptions are the flags of deploy and rollback.
type deployOptions struct {
	version   string
	all       bool
	services  []string
	dryRun    bool
	host      string
	fresh     bool
	quiet     bool
	keep      uint
	timeout   time.Duration
	wait      time.Duration
	migrate   bool
	rollback  bool
	snapshot  bool
	loses     bool // --accept-data-loss
	migrating migrating
}

func (a *app) deployCommand() *cobra.Command {
	o := deployOptions{}
	command := &cobra.Command{
		Use:   "deploy",
		Short: "Bring the stack to a release, without downtime",
		Long: `Start the new release beside the one that serves, wait until it is ready and the
proxy offers it, ask the site through its public port, and only then let the old one
drain and stop. Whatever fails or is interrupted before that is taken back: what
served goes on serving. Another run finishes what a killed one has left.

The release is --version, or else TALE_VERSION of .env, or that of this command. Of an
image that tale.json names with a tag, it is that tag. One of an older minor or major
version is refused, as by tale rollback, unless --accept-data-loss is given.

db and proxy are replaced in place when their settings differ, convex also when the
release has another minor version: after a question, unless --yes or --all is given.
A first release that is up and cannot be seen from here yet ends with 3.

Volumes of releases before 0.2.35 are migrated first, after a question; the plan names
what is copied and what stops meanwhile. Sources stay as they are.
` + session.ExitCodes,
		Example: `  tale deploy
  tale deploy --dry-run           # with --json: docs/plan.schema.json
  tale deploy --version 1.4.2 --wait
  tale deploy --services rag,crawler
  tale deploy --all --yes          # also the database, convex and the proxy`,
		RunE: func(command *cobra.Command, _ []string) error { return a.deploy(command, o) },
	}
	flags := command.Flags()
	flags.BoolVarP(&o.all, "all", "a", false, "also bring db, convex and proxy to the release")
	flags.StringSliceVarP(&o.services, "services", "s", nil, "only these services, `A,B`, of those that rotate")
	flags.StringVar(&o.version, "version", "", "release `X` to deploy")
	flags.StringVar(&o.host, "host", "", "host `NAME` of the site inside the network, instead of HOST")
	flags.BoolVar(&o.snapshot, "snapshot", false, "back the data up first, to .tale/snapshots; tale restore brings them back")
	flags.BoolVar(&o.fresh, "fresh", false, "have convex write its built-in configuration anew")
	flags.BoolVar(&o.migrate, "migrate-volumes", false, "old name of --yes")
	o.migrating.flags(command)
	a.rolloutFlags(command, &o)
	_ = flags.MarkDeprecated("migrate-volumes", "use --yes")
	_ = command.RegisterFlagCompletionFunc("services", a.CompleteRotating)
	_ = command.RegisterFlagCompletionFunc("version", a.CompleteVersions)
	return command
}

func (a *app) rollbackCommand() *cobra.Command {
	o := deployOptions{rollback: true}
	command := &cobra.Command{
		Use:   "rollback",
		Short: "Bring back the release that served before",
		Long: `Deploy the last release that served successfully before the present one, by the
very images that it ran, without asking a registry. Services that do not rotate and
the data stay as they are: a rollback takes back code, not what it did to the data. A
release of another minor or major version may not read them, so that the way back is
tale restore of what deploy --snapshot has kept, or --accept-data-loss.
` + session.ExitCodes,
		Example: "  tale rollback\n  tale rollback --version 1.4.1 --dry-run",
		RunE:    func(command *cobra.Command, _ []string) error { return a.deploy(command, o) },
	}
	command.Flags().StringVarP(&o.version, "version", "v", "", "release `X` to go back to")
	_ = command.RegisterFlagCompletionFunc("version", a.completeWays)
	a.rolloutFlags(command, &o)
	return command
}

func (a *app) rolloutFlags(command *cobra.Command, o *deployOptions) {
	flags := command.Flags()
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the plan and change nothing; exit 10 if there is something to do")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print the result and errors only")
	flags.BoolVar(&o.loses, "accept-data-loss", false, "go back to an older minor or major version on the present data")
	session.KeepFlag(command, &o.keep)
	session.TimeoutFlag(command, &o.timeout, "how long (`TIME`) a service may take to become ready; a boot that gets on has more")
	session.WaitFlag(command, &o.wait)
}

func (o deployOptions) check() error {
	if o.all && len(o.services) > 0 {
		return exit.Errorf(exit.Usage, "--all and --services exclude each other")
	}
	if err := errors.Join(checkHost(o.host), session.CheckTimeout(o.timeout)); err != nil {
		return err
	}
	if !o.rollback && o.version != "" && reference.TagRegexp.FindString(o.version) != o.version {
		return exit.Errorf(exit.Usage, "--version %q is no tag of an image: a release is letters, digits, dots, _ and -", o.version)
	}
	var rotating []string
	for _, service := range stack.Services() {
		if service.Rotates {
			rotating = append(rotating, service.Name)
		}
	}
	for _, service := range o.services {
		named, known := stack.ServiceNamed(service)
		if known && !named.Rotates {
			return exit.Errorf(exit.Usage, "--services cannot name %s, of which there is only one: `tale deploy --all` replaces it in place", service)
		}
		if !known {
			return exit.Errorf(exit.Usage, "--services names %q, which is no service; those are %s", service, strings.Join(rotating, ", "))
		}
	}
	return nil
}

// checkHost checks --host, if it is given.
func checkHost(host string) error {
	if problems := config.CheckHost("--host", host); host != "" && len(problems) > 0 {
		return exit.Errorf(exit.Usage, "%s", problems[0].String())
	}
	return nil
}

// fits refuses services that the project does without.
func (o deployOptions) fits(p *project.Project) error {
	names := p.ServiceNames()
	for _, service := range o.services {
		if !slices.Contains(names, service) {
			return exit.Errorf(exit.Usage, "--services names %s, which this project does without: tale.json lists %s", service, strings.Join(names, ", "))
		}
	}
	return nil
}
