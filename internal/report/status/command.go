package status

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const watchEvery = time.Second

// Command returns the status command of an entrypoint, which asks source.
func Command(source func() (Source, error), sections Sections) *cobra.Command {
	var asJSON, watch bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Show the boot's stages, the children and the last failure",
		RunE: func(command *cobra.Command, _ []string) error {
			if asJSON && watch {
				return exit.Errorf(exit.Usage, "--json and --watch exclude each other")
			}
			from, err := source()
			if err != nil {
				return err
			}
			out := command.OutOrStdout()
			if watch {
				return follow(command.Context(), out, from, sections)
			}
			return show(command.Context(), out, from, asJSON, sections)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print the JSON document")
	command.Flags().BoolVar(&watch, "watch", false, "refresh every second until interrupted")
	return command
}

func show(ctx context.Context, out io.Writer, from Source, asJSON bool, sections Sections) error {
	document, err := from.Fetch(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(document)
	}
	return Render(out, document, isTerminal(out), sections)
}

func follow(ctx context.Context, out io.Writer, from Source, sections Sections) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		// Home and clear: the picture is replaced, not scrolled.
		if _, err := fmt.Fprint(out, "\x1b[H\x1b[2J"); err != nil {
			return err
		}
		if err := show(ctx, out, from, false, sections); err != nil {
			if _, err := fmt.Fprintln(out, err); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// isTerminal follows the NO_COLOR convention too.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(file.Fd()))
}
