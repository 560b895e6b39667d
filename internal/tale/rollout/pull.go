package rollout

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

const pullsAtOnce = 3

// pull gets the images that the engine lacks, before anything else changes, and then
// knows what each container is made of.
func (r *rollout) pull(ctx context.Context) error {
	if len(r.plan.Pull) > 0 {
		if err := r.pullAll(ctx); err != nil {
			return err
		}
		if err := r.remodel(ctx); err != nil {
			return err
		}
	}
	for _, c := range r.plan.Changes {
		if c.Action == Finish {
			continue
		}
		image, there, err := r.Engine.Image(ctx, c.To.Image)
		if err == nil && c.Action != Keep {
			err = isOf(c, image)
		}
		switch {
		case err != nil:
			return err
		case there && (c.To.ImageID == "" || image.ID == c.To.ImageID || slices.Contains(r.plan.Pull, c.To.Image)):
			r.images[c.Service] = c.To.Image
		case c.To.ImageID != "":
			r.images[c.Service] = c.To.ImageID
		case c.Action != Keep:
			return exit.Errorf(exit.Unavailable, "cannot start %s: the engine has no image %s", c.Service, c.To.Image)
		}
	}
	return nil
}

// remodel makes the model anew with the images that have come.
func (r *rollout) remodel(ctx context.Context) error {
	if r.Again == nil {
		return nil
	}
	images, err := r.Engine.Images(ctx)
	if err != nil {
		return err
	}
	r.Model, err = r.Again(images)
	return err
}

func (r *rollout) pullAll(ctx context.Context) error {
	r.begin("pull")
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pullsAtOnce)
	for _, image := range r.plan.Pull {
		group.Go(func() error {
			began := time.Now()
			var total int64
			err := r.Engine.Pull(ctx, image, func(p engine.Progress) {
				total = p.Total
				r.tell(Event{Kind: Progress, Service: image, Current: p.Current, Total: p.Total})
			})
			if err != nil {
				return err
			}
			r.tell(Event{Kind: Progress, Service: image, Total: total, Text: "is here", Seconds: time.Since(began).Seconds()})
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	r.end("")
	return nil
}
