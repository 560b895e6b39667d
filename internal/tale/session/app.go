// Package session has what the commands of tale share: the environment and the global
// flags, and the project and the engine that one is about, with its locks.
package session

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// App is what all commands share: the environment and the global flags.
type App struct {
	Environ config.Environ
	Folder  string // --project
	JSON    bool
	Yes     bool
	NoColor bool
	Self    string // what helpers run, "" is this program
}

// Open returns the project that the command is about.
func (a *App) Open() (*project.Project, error) {
	if a.Folder != "" {
		return project.Find(a.Folder)
	}
	return project.Find(".")
}

// Prompter asks on the streams of a command: on stderr, because stdout is for data.
func (a *App) Prompter(command *cobra.Command) *console.Prompter {
	return console.NewPrompter(command.InOrStdin(), command.ErrOrStderr())
}

// Progress returns what tells of a command on its streams.
func (a *App) Progress(command *cobra.Command, quiet bool) *console.Progress {
	return console.NewProgress(console.Options{
		Data: command.OutOrStdout(), Talk: command.ErrOrStderr(), JSON: a.JSON, Quiet: quiet, Dumb: a.Environ["TERM"] == "dumb",
	})
}

// Paints reports whether to print colours.
func (a *App) Paints(out io.Writer) bool {
	switch {
	case a.NoColor || a.Environ["NO_COLOR"] != "":
		return false
	case a.Environ["CLICOLOR_FORCE"] != "" && a.Environ["CLICOLOR_FORCE"] != "0":
		return true
	}
	return console.IsTerminal(out) && a.Environ["TERM"] != "dumb"
}

// Print prints what a command has come to: the document with --json, or else the text.
func (a *App) Print(out io.Writer, document any, text string) error {
	if a.JSON {
		return PrintJSON(out, document)
	}
	_, err := io.WriteString(out, text)
	return err
}

// PrintJSON prints a document.
func PrintJSON(out io.Writer, document any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}
