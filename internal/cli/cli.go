// Package cli gives every binary the same command line: --help everywhere, an
// unknown command or flag is exit 64 with the list of what there is, and an
// error is printed once. The commands themselves live with their services.
package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// Main runs the command line of the process and returns its exit code.
func Main(root *cobra.Command) int {
	prepare(root)
	topics(root)
	err := root.ExecuteContext(context.Background())
	var logged *loggedError
	if err != nil && !errors.As(err, &logged) {
		root.PrintErrf("%s: %v\n", root.Name(), err)
	}
	return exit.Code(err)
}

func prepare(command *cobra.Command) {
	command.SilenceErrors, command.SilenceUsage = true, true
	command.CompletionOptions.DisableDefaultCmd = true
	if command.Args == nil {
		command.Args = noArgs
	} else {
		command.Args = usageArgs(command.Args)
	}
	command.PreRun = releaseStop
	command.Flags().VisitAll(func(flag *pflag.Flag) {
		switch flag.Value.Type() {
		case "duration":
			flag.Value = span{flag.Value}
			flag.DefValue = strings.Replace(flag.DefValue, "0s", "0", 1) // which help leaves out
		case "uint":
			flag.Value = count{flag.Value}
		}
	})
	command.SetFlagErrorFunc(flagError)
	for _, sub := range command.Commands() {
		prepare(sub)
	}
}

// span is a time that a flag has, which cannot be below zero.
type span struct{ pflag.Value }

func (s span) Set(text string) error {
	if d, err := time.ParseDuration(text); err != nil || d < 0 {
		return errors.New("no time")
	}
	return s.Value.Set(text)
}

// count is a number of things that a flag has, which an int has room for.
type count struct{ pflag.Value }

func (c count) Set(text string) error {
	if _, err := strconv.ParseUint(text, 10, 31); err != nil {
		return errors.New("no number")
	}
	return c.Value.Set(text)
}

// flagError says what a flag wants, in place of why the library could not read it.
func flagError(command *cobra.Command, err error) error {
	wants := map[string]string{
		"duration": "a time with its unit, such as 30s, 5m or 1h30m", "int": "a whole number", "uint": "a whole number from 0 to 2147483647", "bool": "true or false",
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		err = unknownFlag(command, unknown)
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		err = fmt.Errorf("--%s has no value behind it", missing.GetFlag().Name)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		name, wanted := invalid.GetFlag().Name, wants[invalid.GetFlag().Value.Type()]
		if invalid.GetFlag().Value.Type() == "stringToString" {
			wanted, _ = pflag.UnquoteUsage(invalid.GetFlag()) // NAME=VALUE
		}
		switch {
		case invalid.GetValue() == "":
			err = emptyFlag(name)
		case wanted != "":
			err = fmt.Errorf("--%s is %s, not %q", name, wanted, invalid.GetValue())
		}
	}
	return exit.Errorf(exit.Usage, "%w; see '%s --help'", err, command.CommandPath())
}

func noArgs(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !command.HasAvailableSubCommands() {
		return exit.Errorf(exit.Usage, "%s takes no arguments, got %q; see '%[1]s --help'", command.CommandPath(), args[0])
	}
	var names []string
	for _, sub := range command.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return exit.Errorf(exit.Usage, "unknown command %q%s; the commands are: %s; see '%s --help'", args[0], meant(config.Nearest(args[0], names)), strings.Join(names, ", "), command.CommandPath())
}

// unknownFlag names the flag that is probably meant.
func unknownFlag(command *cobra.Command, err *pflag.NotExistError) error {
	var known []string
	command.Flags().VisitAll(func(flag *pflag.Flag) { known = append(known, flag.Name) })
	nearest := config.Nearest(err.GetSpecifiedName(), known)
	if nearest == "" || err.GetSpecifiedShortnames() != "" {
		return err
	}
	return fmt.Errorf("%w%s", err, meant("--"+nearest))
}

func meant(name string) string {
	if name == "" {
		return ""
	}
	return " (is " + name + " meant?)"
}

// topics has help say so, with its exit code, of a command that there is not.
func topics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil || help == root {
		return
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		topic, rest, err := root.Find(args)
		if err == nil && (len(rest) == 0 || !topic.HasAvailableSubCommands()) {
			return nil
		}
		return noArgs(topic, append(rest, args...))
	}
}

// usageArgs says how a command is called, in place of the library's words. The arguments
// are not shown: one may be a URL with a password.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if check(command, args) == nil {
			return nil
		}
		call, _, _ := strings.Cut(command.UseLine(), " [flags]")
		if len(command.ValidArgs) > 0 && len(args) == 1 {
			return exit.Errorf(exit.Usage, "%s takes one of %s; see '%[1]s --help'", command.CommandPath(), strings.Join(command.ValidArgs, ", "))
		}
		return exit.Errorf(exit.Usage, "%s is called as '%s', and not with %d arguments; see '%[1]s --help'", command.CommandPath(), call, len(args))
	}
}

type loggedError struct{ err error }

func (e *loggedError) Error() string { return e.err.Error() }
func (e *loggedError) Unwrap() error { return e.err }

// Logged marks an error that its command has logged already, so that Main does
// not print it again.
func Logged(err error) error {
	if err == nil {
		return nil
	}
	return &loggedError{err}
}

// VersionCommand returns the command that prints the build's version, for the program
// of that name.
func VersionCommand(program string) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the release that this build is of, or the commit." + Ends("0 done"),
		Example: "  " + program + " version",
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(command.OutOrStdout(), version.String())
			return err
		},
	}
}
