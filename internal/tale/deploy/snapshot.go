package deploy

import (
	"context"

	"github.com/tale-project/tale-runtime/internal/tale/data"
)

// takeSnapshot backs the data up, if that was asked for. What is under way is noted first,
// or else nothing would know the file of a run that is killed.
func (d *deployment) takeSnapshot(ctx context.Context) (err error) {
	if d.options.snapshot {
		d.kept, err = data.TakeSnapshot(ctx, d.Session, d.state, d.out, func(path string) error {
			d.kept = path
			return d.begin()
		})
	}
	return err
}
