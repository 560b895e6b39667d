package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// unhealthy makes the command end with 1; the findings say why.
func unhealthy(findings []Finding) error {
	failed := 0
	for _, f := range findings {
		if f.Verdict == Fail {
			failed++
		}
	}
	return fmt.Errorf("%d of %d checks failed", failed, len(findings))
}

// Command returns the doctor command of an entrypoint.
func Command(checks func() ([]Check, error)) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Check from inside the container what a working site needs, with a fix for each fault",
		Long: "Check from inside the container what a working site needs: each check with ok, fail and its\nfix, or skip with the reason." +
			cli.Ends("0 nothing has failed; 1 something has", exit.Config),
		RunE: func(command *cobra.Command, _ []string) error {
			list, err := checks()
			if err != nil {
				return err
			}
			findings, healthy := Examine(command.Context(), list)
			if err := show(command.OutOrStdout(), findings, asJSON); err != nil {
				return err
			}
			if !healthy {
				return unhealthy(findings)
			}
			return nil
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func show(w io.Writer, findings []Finding, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(findings)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		// The table keeps what it is given until Flush, which reports errors.
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", f.Verdict, f.Name, f.Detail)
		if f.Fix != "" {
			_, _ = fmt.Fprintf(table, "\t\t→ %s\n", f.Fix)
		}
	}
	return table.Flush()
}
