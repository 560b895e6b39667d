package tale

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

func (a *app) initCommand() *cobra.Command {
	o := project.Options{Version: version.String()}
	settings := map[string]*string{}
	command := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Make a project, or fill in what one lacks",
		Long: `Make a project: tale.json, which says who it is, and .env with its settings and fresh
secrets. In a folder that has one, fill in what is missing. What is there stays: no
secret is ever replaced, and another setting only with --force.

On a terminal, init asks for what no flag says; --yes takes the defaults. Images are
REGISTRY/tale-SERVICE:VERSION, but for those that --image names. An app of your own is
--image platform=IMAGE: it needs neither rag, crawler nor the folders of Tale's own.

Exit codes: 0 done, or complete already; 1 a file cannot be written; 64 usage, or a
folder within another project; 78 a value that the stack refuses, or a broken file.`,
		Example: `  tale init --host example.com --tls letsencrypt --tls-email admin@example.com
  tale init shop --image platform=r.example.com/shop:1.4.0 --registry r.example.com --release 1.0.0
  echo "$URL" | tale init --database-url -
  tale init --site-url https://localhost:8443 --force`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			dir, err := a.initFolder(args)
			if err != nil {
				return err
			}
			o.Dir, o.Settings = dir, map[string]string{}
			for variable, value := range settings {
				o.Settings[variable] = *value
			}
			if err := a.fillIn(command, &o); err != nil {
				return err
			}
			result, err := project.Init(o)
			if err != nil {
				return err
			}
			if a.JSON {
				return session.PrintJSON(command.OutOrStdout(), result)
			}
			_, err = io.WriteString(command.ErrOrStderr(), initDone(result))
			return err
		},
	}
	o.Migrations = migration.IDs()
	initFlags(command, &o, settings)
	return command
}

// initFlags adds the flags, those of settings by their variables.
func initFlags(command *cobra.Command, o *project.Options, settings map[string]*string) {
	flags := command.Flags()
	flags.StringVar(&o.Name, "name", "", "`NAME` of the project; default: that of its folder")
	for variable, flag := range map[string]struct{ name, usage string }{
		"HOST":         {"host", "host `NAME` of the site; default: localhost"},
		"SITE_URL":     {"site-url", "`URL` that visitors see; default: https://HOST"},
		"TLS_MODE":     {"tls", "where the certificate comes from: selfsigned, letsencrypt or external (`MODE`)"},
		"TLS_EMAIL":    {"tls-email", "`ADDRESS` for the account at letsencrypt"},
		"BASE_PATH":    {"base-path", "`PATH` under which the site is served, such as /tale"},
		"POSTGRES_URL": {"database-url", "Postgres server (`URL`) instead of the bundled one; - reads it from stdin, where no other user sees it"},
		stack.Registry: {"registry", "`REGISTRY` and path that the images come from"},
		stack.Version:  {"release", "`VERSION` of the images that --image does not name; default: that of this command"},
	} {
		settings[variable] = flags.String(flag.name, "", flag.usage)
	}
	flags.StringSliceVar(&o.Services, "services", nil, "`SERVICES` of the stack that the project has, comma separated; default: all, without rag and crawler for an app of your own")
	flags.StringToStringVar(&o.Images, "image", nil, "image of a service (`SERVICE=IMAGE`) instead of Tale's own; platform is your app; may be given again")
	flags.Lookup("image").DefValue = "" // else the help has a default []
	flags.BoolVar(&o.Force, "force", false, "replace settings that have another value, but no secrets")
	flags.BoolVar(&o.NoEnv, "no-env", false, "leave .env alone")
}

// initFolder returns the folder of the project. A project within another one is rarely
// meant.
func (a *app) initFolder(args []string) (string, error) {
	if len(args) > 0 && a.Folder != "" {
		return "", exit.Errorf(exit.Usage, "the folder is named twice, as %s and with --project", args[0])
	}
	if named := a.Folder + strings.Join(args, ""); named != "" {
		return named, cli.CheckNewFolder(named)
	}
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("cannot make a project here: %w", err)
	}
	if p, err := project.Find(here); err == nil && p.Dir != here {
		return "", exit.Errorf(exit.Usage, "%s belongs to the project in %s: complete that one with 'tale init %[2]s', or make one here with 'tale init .'", here, p.Dir)
	}
	return here, nil
}

// fillIn asks for what no flag says and the project does not have.
func (a *app) fillIn(command *cobra.Command, o *project.Options) error {
	p := a.Prompter(command)
	if o.Settings["POSTGRES_URL"] == "-" {
		text, err := p.Secret(command.Context(), "URL of the Postgres server")
		if err != nil {
			return err
		}
		o.Settings["POSTGRES_URL"] = strings.TrimSpace(text)
	}
	if a.Yes || o.NoEnv || !p.Terminal() {
		return nil
	}
	have, err := project.ReadEnv(o.Dir)
	if err != nil {
		return err
	}
	missing := func(name string) bool { return have[name] == "" && o.Settings[name] == "" }
	if missing("HOST") && missing("SITE_URL") {
		o.Settings["HOST"], err = p.Ask("Host name of the site", "localhost", func(host string) error {
			return wrong(config.CheckHost("", host))
		})
		if err != nil {
			return err
		}
	}
	if missing("TLS_MODE") {
		if o.Settings["TLS_MODE"], err = askTLS(p, host(o.Settings)); err != nil {
			return err
		}
	}
	if o.Settings["TLS_MODE"] == stack.TLSLetsEncrypt && missing("TLS_EMAIL") {
		o.Settings["TLS_EMAIL"], err = p.Ask("E-mail address for the account at Let's Encrypt (may stay empty)", "", func(text string) error {
			if text != "" && !strings.Contains(text, "@") {
				return errors.New("it is not an e-mail address")
			}
			return nil
		})
	}
	return err
}

func host(settings map[string]string) string {
	if site, err := url.Parse(settings["SITE_URL"]); err == nil && settings["HOST"] == "" {
		return site.Hostname()
	}
	return settings["HOST"]
}

func askTLS(p *console.Prompter, host string) (string, error) {
	modes, fallback := []string{stack.TLSSelfSigned, stack.TLSExternal}, stack.TLSSelfSigned
	if project.Public(host) {
		modes, fallback = append(modes, stack.TLSLetsEncrypt), stack.TLSLetsEncrypt
	}
	return p.Ask("Where the certificate comes from: "+strings.Join(modes, ", "), fallback, func(mode string) error {
		return wrong(config.CheckOneOf("", mode, modes...))
	})
}

// wrong returns the first problem of an answer.
func wrong(problems config.Problems) error {
	if len(problems) == 0 {
		return nil
	}
	return errors.New("it" + problems[0].String())
}

func initDone(r project.Result) string {
	var text strings.Builder
	row := func(label string, list []string) {
		if len(list) > 0 {
			fmt.Fprintf(&text, "%-10s %s\n", label, strings.Join(list, ", "))
		}
	}
	if len(r.Made)+len(r.Changed) == 0 {
		return fmt.Sprintf("%s is complete; nothing was changed\n", r.Dir)
	}
	row("project", []string{r.ID + " in " + r.Dir})
	row("made", r.Made)
	row("changed", r.Changed)
	row("variables", r.Added)
	fmt.Fprintf(&text, "\nnext: look through %s (tale env check), then tale deploy\n", filepath.Join(r.Dir, project.EnvName))
	return text.String()
}
