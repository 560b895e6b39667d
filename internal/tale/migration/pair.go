package migration

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// pair is a volume that has another name now.
type pair struct {
	from, to string
	heir     string // to which the data of to go on, "" if they stay
	legacy   bool   // from has no id in its name, so whose it is has to be proven
	app      bool
}

// pairs returns the copies that are to be made. Dropped takes what another migration
// does.
func (o *Observation) pairs(ctx context.Context, pairs []pair, dropped func([]Copy) bool) (s Step, _ error) {
	for _, p := range pairs {
		c, pending, err := o.pending(ctx, p)
		if err != nil {
			return s, err
		}
		if pending {
			s.Copies = append(s.Copies, c)
		}
	}
	if dropped != nil && dropped(s.Copies) {
		return Step{}, nil
	}
	for _, c := range s.Copies {
		o.copied[c.To] = Content{Exists: true, From: c.From, Bytes: c.Bytes, Files: c.Files}
	}
	return s, nil
}

// pending decides for one pair. Where it is not certain it adds to what is unclear.
func (o *Observation) pending(ctx context.Context, p pair) (Copy, bool, error) {
	_, there := o.there[p.from]
	_, comes := o.copied[p.from]
	if _, done := o.copied[p.to]; done || !there && !comes {
		return Copy{}, false, nil
	}
	if used, err := o.inherited(ctx, p); used || err != nil {
		return Copy{}, false, err
	}
	if p.legacy {
		if may, err := o.mayTake(ctx, p); err != nil || !may {
			return Copy{}, false, err
		}
	}
	source, err := o.look(ctx, p.from)
	if err != nil || source.Empty {
		return Copy{}, false, err
	}
	target, err := o.look(ctx, p.to)
	if err != nil {
		return Copy{}, false, err
	}
	c := Copy{From: p.from, To: p.to, App: p.app, Bytes: source.Bytes, Files: source.Files, there: target.Bytes, elsewhere: o.there[p.to].Elsewhere, free: target.Free}
	copied, what := target.From == p.from, "it has data that are no copy of %s, and no service of this project has used it"
	switch {
	case target.Empty, copied && target.Done.IsZero():
		return c, true, nil
	case slices.Contains(o.Adopt, p.to) && o.heed(p.to):
		return c, false, nil
	case copied:
		// No date tells this: clocks are set.
		c.Anew = source.Print != target.Copied || slices.ContainsFunc(o.users(p.from, true), func(c engine.Container) bool { return c.State.Running })
		if !target.Used || !c.Anew {
			return c, c.Anew, nil
		}
		what = "it is a copy of %s, and both have been used since"
	case o.logged(p) && (!slices.Contains(o.Adopt, p.from) || !o.heed(p.from)):
		return c, false, nil
	}
	o.doubt(Doubt{
		p.to, fmt.Sprintf(what+": if the data in it are this project's, --adopt %[2]s; if those of %[1]s are, remove %[2]s first", p.from, p.to),
		"Keep what is in " + p.to + ", and copy nothing?", true,
	})
	return c, false, nil
}

// logged reports whether the log says that a migration has dealt with a pair.
func (o *Observation) logged(p pair) bool {
	if p.legacy {
		return o.log.Has(namespaceVolumes) || o.log.Has(namespaceCaddyConfig)
	}
	return o.log.Has(splitConvex)
}

// inherited reports whether the project's services run on the new volume already. Both
// in use is what no copy can mend.
func (o *Observation) inherited(ctx context.Context, p pair) (bool, error) {
	used, err := o.isUsed(ctx, p.to)
	if err == nil && !used && p.heir != "" {
		used, err = o.isUsed(ctx, p.heir)
	}
	if err != nil || !used {
		return false, err
	}
	if half, err := o.isHalf(ctx, p); half || err != nil {
		return true, err
	}
	for _, c := range o.users(p.from, true) {
		whose, _ := o.whose(p.from)
		if c.State.Running && (!p.legacy || whose == mine) && (!slices.Contains(o.Adopt, p.to) || !o.heed(p.to)) {
			o.doubt(Doubt{Volume: p.to, Target: true, Question: "Keep what is in " + p.to + ", and copy nothing?", Why: fmt.Sprintf("the project's services have run on it, and %s writes to %s, which it was a copy of: --adopt %s if the data in it are to stay, or remove it to have %[2]s copied anew", c.Name, p.from, p.to)})
		}
	}
	return true, nil
}

// isHalf reports whether what is used is a copy that a killed run has not come to the end of, as
// where a service was started by hand.
func (o *Observation) isHalf(ctx context.Context, p pair) (bool, error) {
	if !slices.Contains(o.begun, p.to) || slices.Contains(o.Adopt, p.to) && o.heed(p.to) {
		return false, nil
	}
	target, err := o.look(ctx, p.to)
	if err != nil || target.From != p.from || !target.Done.IsZero() {
		return false, err
	}
	o.doubt(Doubt{Volume: p.to, Target: true, Question: "Keep what is in " + p.to + ", and copy nothing?", Why: fmt.Sprintf("the project's services have run on it, and it is a copy of %s that was killed before it had all: --adopt %s if the data in it are to stay all the same, or remove it to have %[1]s copied", p.from, p.to)})
	return true, nil
}

// mayTake decides about a volume that has no id in its name. One that no container uses and that
// is empty is not asked about; into what others use nobody looks.
func (o *Observation) mayTake(ctx context.Context, p pair) (bool, error) {
	switch whose, why := o.whose(p.from); {
	case whose == mine:
		return true, nil
	case whose == theirs:
		o.note("%s stays as it is: %s", p.from, why)
	case o.log.Has(namespaceVolumes):
		o.note("%s stays as it is: this project was made without it, or has it already; if it is this project's: --adopt %[1]s", p.from)
	default:
		if len(o.users(p.from, false)) == 0 {
			if source, err := o.look(ctx, p.from); err != nil || source.Empty {
				return false, err
			}
		}
		o.doubt(Doubt{
			p.from, fmt.Sprintf("%s: --adopt %s if the data in it are this project's, or --leave %[2]s", why, p.from),
			"Are the data in " + p.from + " this project's?", false,
		})
	}
	return false, nil
}

func (o *Observation) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(o.notes, text) {
		o.notes = append(o.notes, text)
	}
}

func (o *Observation) doubt(d Doubt) {
	if !slices.ContainsFunc(o.unclear, func(other Doubt) bool { return other.Volume == d.Volume }) {
		o.unclear = append(o.unclear, d)
	}
}

// Doubt is a volume of which only the operator knows whose it is.
type Doubt struct {
	Volume, Why string
	Question    string // "" where no answer is enough
	Target      bool   // of a copy
}

// Unclear are all of them.
type Unclear []Doubt

func (u Unclear) Error() string {
	var b strings.Builder
	b.WriteString("whose data these volumes hold has to be said:")
	for _, d := range u {
		fmt.Fprintf(&b, "\n  %s: %s", d.Volume, d.Why)
	}
	return b.String()
}

// ExitCode returns the code of the command.
func (u Unclear) ExitCode() int { return exit.Config }
