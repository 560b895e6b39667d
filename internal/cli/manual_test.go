package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

func TestHelpEndsWithTheManual(t *testing.T) {
	var settings struct {
		Site   string        `env:"SITE,required" tier:"operator" doc:"Where it is. More of it is not shown."`
		Token  config.Secret `env:"TOKEN" tier:"operator" secret:"true" doc:"What opens it."`
		Driver string        `env:"DRIVER" tier:"operator" envDefault:"auto"`
		Port   int           `env:"PORT" tier:"advanced" doc:"Of the server."`
		Limit  int           `env:"LIMIT" doc:"Of a visitor."`
	}
	sub := &cobra.Command{Use: "sub", Long: "Do it." + cli.Ends("0 done", exit.Config), RunE: func(*cobra.Command, []string) error { return nil }}
	root := &cobra.Command{Use: "tool"}
	root.AddCommand(cli.Manual{Reads: cli.Reading(settings)}.For(sub), cli.CompletionCommand("tool"))
	cli.Manual{Page: "docs/tool.md"}.For(root)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"sub", "--help"})
	if code := cli.Main(root); code != 0 {
		t.Fatalf("exit %d", code)
	}
	if want := "Do it.\n\nExit codes: 0 done; 64 wrong usage; 78 bad configuration, a port that is taken included.\n"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("got %q", out.String())
	}
	_, manual, _ := strings.Cut(out.String(), "\nSettings: ")
	want := `variables of the environment
  must be set:
    SITE: Where it is
  may be set:
    TOKEN, or TOKEN_FILE: What opens it
    DRIVER=auto
  rarely:
    PORT, LIMIT

More: docs/tool.md
      in https://github.com/tale-project/tale-runtime
`
	if diff := cmp.Diff(want, manual); diff != "" {
		t.Error(diff)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		root := &cobra.Command{Use: "tool", RunE: func(*cobra.Command, []string) error { return nil }}
		root.AddCommand(cli.CompletionCommand("tool"))
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs([]string{"completion", shell})
		if code := cli.Main(root); code != 0 || !strings.Contains(out.String(), "__complete") {
			t.Errorf("%s: exit %d, %q", shell, code, out.String())
		}
	}
}
