package deploy

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
)

// makeRoom removes images of earlier releases before new ones are pulled. That it
// cannot costs disk space and nothing else.
func (d *deployment) makeRoom(ctx context.Context) {
	if len(d.plan.Pull) == 0 {
		return
	}
	everything, err := d.Engine.Everything(ctx)
	if err != nil {
		d.out.Say(fmt.Sprintf("old images stay: %v", err))
		return
	}
	var freed int64
	unused, _ := d.Unused(d.state, everything, d.release, int(d.options.keep))
	for _, image := range unused {
		if err := d.Engine.RemoveImage(ctx, image.ID); err != nil {
			d.out.Say(fmt.Sprintf("an old image stays: %v", err))
			continue
		}
		freed += image.Size
	}
	if freed > 0 {
		d.out.Say(humanize.Bytes(uint64(freed)) + " of earlier releases' images were freed")
	}
}
