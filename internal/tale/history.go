package tale

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

func (a *app) historyCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "history",
		Short:   "Print what was done with the project, the newest last",
		Long:    "Print what was done with the project, the newest last: who, when, with which command,\nfrom which release to which, and what came of it. It is read from .tale/history.jsonl.\n\nExit codes: 0 done; 1 it cannot be read; 64 usage; 78 there is no project.",
		Example: "  tale history\n  tale history -n 3\n  tale history --json | jq '.[-1].images'",
	}
	last := command.Flags().UintP("last", "n", 20, "print the last `N` entries; 0: all")
	command.RunE = func(command *cobra.Command, _ []string) error {
		p, err := a.Open()
		if err != nil {
			return err
		}
		entries, leftOut, err := p.LegibleHistory()
		if err != nil {
			return err
		}
		if leftOut > 0 {
			_, _ = fmt.Fprintf(command.ErrOrStderr(), "%d of the lines of %s cannot be read, and are left out: torn by a kill, or of a newer tale (tale upgrade)\n", leftOut, p.Path("history.jsonl"))
		}
		if n := int(*last); n > 0 && len(entries) > n {
			entries = entries[len(entries)-n:]
		}
		if len(entries) == 0 && !a.JSON {
			_, err := fmt.Fprintln(command.ErrOrStderr(), "nothing has been done with this project yet")
			return err
		}
		rows := [][]string{{"WHEN", "WHO", "WHAT", "RELEASE", "RESULT", "TOOK", "WHY"}}
		for _, e := range entries {
			rows = append(rows, historyRow(e))
		}
		return a.Print(command.OutOrStdout(), append([]project.Entry{}, entries...), console.Table(rows))
	}
	return command
}

// historyRow returns the columns of an entry.
func historyRow(e project.Entry) []string {
	release := e.Release
	if e.From != "" && e.From != e.Release {
		release = e.From + " → " + e.Release
	}
	result := e.Result
	if e.Code != 0 {
		result = fmt.Sprintf("%s (exit %d)", result, e.Code)
	}
	took := time.Duration(e.Seconds * float64(time.Second)).Round(time.Second / 10).String()
	if e.Result == project.Killed { // it could not say how long
		took = "-"
	}
	return []string{e.Time.Local().Format("2006-01-02 15:04:05"), cmp.Or(strings.Trim(e.User+"@"+e.Host, "@"), "-"), e.Command, cmp.Or(release, "-"), result, took, session.FirstLine(e.Why)}
}
