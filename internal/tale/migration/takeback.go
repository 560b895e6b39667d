package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// TakeBack undoes what Apply has done, also half of it, so that what served before does
// again. Copies go, and what was made on them: what is started again writes to what they
// were made of, so that they would be out of date.
func (r *Run) TakeBack(ctx context.Context) error {
	o, err := Observe(ctx, r.Subject)
	if err != nil {
		return err
	}
	errs := []error{r.sweep(ctx)}
	for _, c := range r.journal.Made {
		errs = append(errs, r.discard(ctx, o, c.To))
	}
	back := slices.Clone(r.journal.Stopped)
	for _, m := range r.journal.Moved {
		if slices.ContainsFunc(o.containers, func(c engine.Container) bool { return c.Name == m.Name && c.ID != m.Container }) {
			// An earlier run has made the new one, which stays.
			back = slices.DeleteFunc(back, func(s stopped) bool { return s.Container == m.Container })
			continue
		}
		errs = append(errs, r.Engine.Rename(ctx, m.Container, m.Name))
	}
	slices.SortStableFunc(back, func(a, b stopped) int { return cmp.Compare(rank(a.Service), rank(b.Service)) })
	for _, c := range back {
		err := r.Engine.Start(ctx, c.Container)
		switch {
		case engine.IsNotFound(err): // removed since
		case err != nil:
			errs = append(errs, fmt.Errorf("%w; start it by hand: docker start %s", err, c.Name))
		default:
			r.note(c.Name, "is started again")
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.forget()
}

// discard removes a copy that is done, and the project's containers that were made on it.
// One that is not done stays: another run goes on with it, and looks at each file again. So
// does one that was done before and has been used, which the run could not make anew, and one
// that the operator has said is to stay.
func (r *Run) discard(ctx context.Context, o *Observation, volume string) error {
	for _, c := range o.users(volume, false) {
		if !o.own(c) {
			continue
		}
		if err := errors.Join(r.Engine.Stop(ctx, c.ID, 0), r.Engine.Remove(ctx, c.ID)); err != nil {
			return err
		}
	}
	if !slices.Contains(r.journal.Whole, volume) || slices.Contains(o.Adopt, volume) {
		return nil
	}
	return r.Engine.RemoveVolume(ctx, volume)
}
