package envsync

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"

	"github.com/tale-project/tale-runtime/internal/logging"
)

func (r *syncRun) warn() {
	r.result.Warnings = warningsOf(r.goal)
	for _, warning := range r.result.Warnings {
		r.Log.Warn("a variable looks broken; it is pushed as it is", "variable", warning)
	}
}

// logPlan logs what changes: at debug each variable by itself, with its length.
func (r *syncRun) logPlan(ctx context.Context) {
	plan := r.result.Plan
	for _, change := range plan.Changes {
		r.Log.Debug("variable", "name", change.Name, "change", string(change.Kind), "bytes", change.Bytes, "note", change.Note)
	}
	say := func(level slog.Level, what string, names []string) {
		if len(names) > 0 {
			r.Log.Log(ctx, level, what, "count", len(names), "names", logging.Few(names))
		}
	}
	for _, kind := range []ChangeKind{New, Updated, Removed} {
		say(slog.LevelInfo, "variables "+string(kind), plan.namesOf(kind))
	}
	say(slog.LevelWarn, "variables "+noteDrift, plan.Drift())
	say(slog.LevelInfo, "variables "+noteDerived, plan.names(func(c Change) bool { return c.Note == noteDerived }))
	say(slog.LevelInfo, "variables "+noteOperators, plan.names(func(c Change) bool { return c.Note == noteOperators }))
}

func (r *syncRun) remember() {
	r.result.Attempts++
	if len(r.result.Waiting) > 0 {
		return // the sync after the push remembers
	}
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
