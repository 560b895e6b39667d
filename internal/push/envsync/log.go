package envsync

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
)

func (r *syncRun) warn() {
	r.result.Warnings = warningsOf(r.goal)
	for _, warning := range r.result.Warnings {
		r.Log.Warn("a variable looks broken; it is pushed as it is", "variable", warning)
	}
}

// logPlan logs what changes, each variable once, by name and length.
func (r *syncRun) logPlan(ctx context.Context) {
	for _, change := range r.result.Plan.Changes {
		level := slog.LevelDebug
		switch {
		case change.Drift:
			level = slog.LevelWarn
		case change.Kind == New, change.Kind == Updated, change.Kind == Removed, change.Note != "":
			level = slog.LevelInfo
		}
		attributes := []any{"name", change.Name, "change", string(change.Kind), "bytes", change.Bytes}
		if change.Note != "" {
			attributes = append(attributes, "note", change.Note)
		}
		r.Log.Log(ctx, level, "variable", attributes...)
	}
}

func (r *syncRun) remember() {
	r.result.Attempts++
	if err := r.Memory.remember(r.goal); err != nil {
		r.Log.Warn("cannot store the fingerprints of the variables: the next sync will not see which of them were changed in the deployment", "error", err)
	}
}

// Summary returns the plan in one line: how many variables of each kind.
func (p Plan) Summary() string {
	text := fmt.Sprintf("%d new, %d updated, %d unchanged, %d removed",
		p.Count(New), p.Count(Updated), p.Count(Unchanged), p.Count(Removed))
	if drift := len(p.Drift()); drift > 0 {
		text += fmt.Sprintf(" (%d changed in the deployment)", drift)
	}
	return text
}

// WriteText prints the plan as a table for people: names, changes and lengths.
func (p Plan) WriteText(w io.Writer) error {
	// Flush returns what the writes below failed with.
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "VARIABLE\tCHANGE\tBYTES\tBEFORE\tNOTE")
	for _, c := range p.Changes {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\n", c.Name, c.Kind, c.Bytes, c.Before, c.Note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, p.Summary())
	return err
}

// Report returns the result for the boot report.
func (r Result) Report() Summary {
	owned := len(r.Plan.Changes) - r.Plan.Count(Foreign)
	return Summary{
		Declared: owned, Desired: r.Wanted, Present: r.Present,
		New: r.Plan.Count(New), Updated: r.Plan.Count(Updated), Unchanged: r.Plan.Count(Unchanged),
		Removed: r.Plan.Count(Removed), Foreign: r.Plan.Count(Foreign),
		Drift: r.Plan.Drift(), Warnings: r.Warnings,
	}
}
