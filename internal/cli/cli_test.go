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
	root.AddCommand(cli.VersionCommand("tool"), &cobra.Command{Use: "one", Args: cobra.ExactArgs(1), RunE: root.RunE})
	root.Flags().Duration("wait", 0, "")
	root.Flags().Uint("keep", 1, "")
	root.Flags().Bool("all", false, "")
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
		"default command":  {nil, nil, 0, ""},
		"unknown command":  {nil, []string{"nope"}, exit.Usage, "unknown command \"nope\"; the commands are: one, version"},
		"unknown flag":     {nil, []string{"--nope"}, exit.Usage, "unknown flag: --nope"},
		"flag of command":  {nil, []string{"version", "--nope"}, exit.Usage, "see 'tool version --help'"},
		"needless args":    {nil, []string{"version", "x"}, exit.Usage, "takes no arguments"},
		"too few args":     {nil, []string{"one"}, exit.Usage, "accepts 1 arg"},
		"no unit":          {nil, []string{"--wait", "5"}, exit.Usage, "tool: --wait is a time with its unit, such as 30s, 5m or 1h30m, not \"5\"; see 'tool --help'\n"},
		"time below zero":  {nil, []string{"--wait=-5s"}, exit.Usage, "--wait is a time"},
		"a time":           {nil, []string{"--wait", "5m"}, 0, ""},
		"below zero":       {nil, []string{"--keep", "-1"}, exit.Usage, "--keep is a whole number, 0 or more, not \"-1\""},
		"neither yes":      {nil, []string{"--all=maybe"}, exit.Usage, "--all is true or false"},
		"help":             {nil, []string{"one", "--help"}, 0, "Usage:"},
		"code of an error": {refused, nil, exit.DeployRefused, "tool: cannot deploy: no"},
		"logged error":     {cli.Logged(refused), nil, exit.DeployRefused, ""},
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
