package tale

import (
	"bufio"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// agree asks whether to go on, for the reasons given. No is the answer by default.
func (a *app) agree(command *cobra.Command, reasons []string) error {
	if a.yes {
		return nil
	}
	stdin, isFile := command.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(stdin.Fd())) {
		return exit.Errorf(exit.Usage, "there is no terminal to ask on whether to go on although %s: say so with --yes", strings.Join(reasons, "; "))
	}
	for _, reason := range reasons {
		command.PrintErrf("  %s\n", reason)
	}
	command.PrintErr("Go on? [y/N] ")
	answer, err := bufio.NewReader(stdin).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); err != nil || answer != "y" && answer != "yes" {
		return exit.With(exit.Declined, errDeclined)
	}
	return nil
}
