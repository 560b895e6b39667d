package cli_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
)

func run(t *testing.T, runErr error, args ...string) (code int, out string) {
	t.Helper()
	root := &cobra.Command{Use: "tool", RunE: func(*cobra.Command, []string) error { return runErr }}
	root.PersistentPreRunE = cli.CheckValues
	root.AddCommand(cli.VersionCommand("tool"), cli.CompletionCommand("tool"), &cobra.Command{Use: "one X", Args: cobra.ExactArgs(1), RunE: root.RunE})
	root.Flags().Duration("wait", 0, "")
	root.Flags().Uint("keep", 1, "")
	root.Flags().Bool("all", false, "")
	root.Flags().String("name", "", "")
	root.Flags().StringSlice("list", nil, "")
	root.Flags().StringArray("array", nil, "")
	root.Flags().StringToString("pair", nil, "`A=B`")
	root.PersistentFlags().String("on", "x", "")
	cli.FileVar(root.Flags(), new(string), "file", "")
	var buf bytes.Buffer
	root.SetOut(&buf)
	root.SetErr(&buf)
	root.SetArgs(append([]string{}, args...)) // never nil, for which cobra takes those of the test
	return cli.Main(root), buf.String()
}

func TestExitCodesAndMessages(t *testing.T) {
	refused := exit.With(exit.DeployRefused, errors.New("cannot deploy: no"))
	tests := map[string]struct {
		err  error
		args []string
		code int
		out  string
	}{
		"default command":   {nil, nil, 0, ""},
		"unknown command":   {nil, []string{"nope"}, exit.Usage, "unknown command \"nope\"; the commands are: completion, one, version"},
		"misspelt command":  {nil, []string{"versoin"}, exit.Usage, "unknown command \"versoin\" (is version meant?); the commands are: completion, one, version"},
		"misspelt flag":     {nil, []string{"--naem", "x"}, exit.Usage, "unknown flag: --naem (is --name meant?); see"},
		"help of nothing":   {nil, []string{"help", "nope"}, exit.Usage, "unknown command \"nope\"; the commands are: completion, one, version"},
		"help of a command": {nil, []string{"help", "one"}, 0, "Usage:"},
		"help of all":       {nil, []string{"help"}, 0, "Usage:"},
		"unknown flag":      {nil, []string{"--nope"}, exit.Usage, "unknown flag: --nope"},
		"flag of command":   {nil, []string{"version", "--nope"}, exit.Usage, "see 'tool version --help'"},
		"needless args":     {nil, []string{"version", "x"}, exit.Usage, "takes no arguments"},
		"too few args":      {nil, []string{"one"}, exit.Usage, "tool: tool one is called as 'tool one X', and not with 0 arguments; see 'tool one --help'\n"},
		"too many args":     {nil, []string{"one", "a", "b c"}, exit.Usage, "is called as 'tool one X', and not with 2 arguments"},
		"none of the few":   {nil, []string{"completion", "tcsh"}, exit.Usage, "tool completion takes one of bash, zsh, fish; see"},
		"no pair":           {nil, []string{"--pair", "x"}, exit.Usage, "--pair is A=B, not \"x\"; see"},
		"empty arg":         {nil, []string{"one", ""}, exit.Usage, "an argument is empty"},
		"empty flag":        {nil, []string{"--name="}, exit.Usage, "--name is empty: give it a value, or leave it out; see 'tool --help'\n"},
		"empty flag of all": {nil, []string{"one", "a", "--on", ""}, exit.Usage, "--on is empty"},
		"empty list":        {nil, []string{"--list="}, exit.Usage, "--list is empty"},
		"empty array":       {nil, []string{"--array", ""}, exit.Usage, "--array is empty"},
		"empty time":        {nil, []string{"--wait="}, exit.Usage, "--wait is empty"},
		"lists":             {nil, []string{"--list", "a,b", "--array", "x", "--name", "y"}, 0, ""},
		"no value":          {nil, []string{"--name"}, exit.Usage, "--name has no value behind it; see 'tool --help'\n"},
		"no file":           {nil, []string{"--file", "/no/file"}, exit.Usage, "cannot use --file: there is no file /no/file; see 'tool --help'\n"},
		"no unit":           {nil, []string{"--wait", "5"}, exit.Usage, "tool: --wait is a time with its unit, such as 30s, 5m or 1h30m, not \"5\"; see 'tool --help'\n"},
		"time below zero":   {nil, []string{"--wait=-5s"}, exit.Usage, "--wait is a time"},
		"a time":            {nil, []string{"--wait", "5m"}, 0, ""},
		"below zero":        {nil, []string{"--keep", "-1"}, exit.Usage, "--keep is a whole number from 0 to 2147483647, not \"-1\""},
		"neither yes":       {nil, []string{"--all=maybe"}, exit.Usage, "--all is true or false"},
		"help":              {nil, []string{"one", "--help"}, 0, "Usage:"},
		"code of an error":  {refused, nil, exit.DeployRefused, "tool: cannot deploy: no"},
		"logged error":      {cli.Logged(refused), nil, exit.DeployRefused, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, out := run(t, tt.err, tt.args...)
			if code != tt.code || !strings.Contains(out, tt.out) || (tt.out == "" && out != "") {
				t.Errorf("exit %d, %q; want %d, %q", code, out, tt.code, tt.out)
			}
		})
	}
}
