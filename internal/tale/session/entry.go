package session

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// NewEntry returns a command that has succeeded so far as the history has it.
func NewEntry(command *cobra.Command, began time.Time) project.Entry {
	self := project.Self(CommandLine(command))
	return project.Entry{Time: began.UTC(), User: self.User, Host: self.Host, Command: self.Command, Result: project.Done, Seconds: time.Since(began).Seconds()}
}

// Fail makes an entry that of a command that has not.
func Fail(entry *project.Entry, result string, err error) {
	entry.Result, entry.Code, entry.Why = result, exit.Code(err), FirstLine(err.Error())
}

// ResultOf returns what a failure has come to as the history has it.
func ResultOf(err error) string {
	switch exit.Code(err) {
	case exit.Declined, exit.Usage: // a question that was answered with no, or could not be asked
		return project.Declined
	case exit.Interrupted:
		return project.Interrupted
	case exit.Stuck:
		return project.Failed
	case exit.Degraded:
		return project.Done
	}
	return project.RolledBack
}

// FirstLine returns that of a text, which a table has room for.
func FirstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// CommandLine returns what was typed.
func CommandLine(command *cobra.Command) string {
	return console.Quoted(command.Root().Name(), os.Args[1:]...)
}
