package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// prepare finds out what is to be done. It changes nothing.
func (d *deployment) prepare(ctx context.Context) (err error) {
	if d.state, err = d.Observed(ctx); err != nil {
		return err
	}
	d.state.AskDraining(ctx, d.Engine)
	if !d.options.rollback {
		if err := d.options.migrating.observe(ctx, d.Session, false, &d.state); err != nil {
			return err
		}
	}
	d.release = d.Release(d.options.version)
	if image := d.Project.File.Images[stack.Platform]; d.options.version != "" && !d.options.rollback && engine.Tag(image) != "" {
		return tagIsNamed(image)
	}
	scope := rollout.Scope{All: d.options.all, Only: d.options.services, Rollback: d.options.rollback}
	pinned := map[string]string{}
	if d.options.rollback {
		if pinned, err = d.goBack(); err != nil {
			return err
		}
	}
	if err := d.checkLayout(); err != nil {
		return err
	}
	if d.model, d.target, err = d.Aim(d.release, d.options.host, d.options.fresh, d.state, scope); err != nil {
		return err
	}
	if err := d.state.AskForeign(ctx, d.Engine, d.model); err != nil {
		return err
	}
	d.settle(pinned)
	var notes []string
	if !d.options.rollback {
		notes = d.moving(ctx)
	}
	d.plan = rollout.NewPlan(d.state, d.target)
	d.plan.Notes = append(d.plan.Notes, notes...)
	if err := errors.Join(d.leadsSomewhere(ctx), d.agreeToLost(ctx)); err != nil {
		return err
	}
	if err := d.migrations(ctx); err != nil {
		return err
	}
	d.files(ctx)
	if usual := d.Release("").Version; !d.options.rollback && d.options.version != "" && usual != d.release.Version {
		d.plan.Notes = append(d.plan.Notes, fmt.Sprintf("a later `tale deploy` without --version brings %s; TALE_VERSION=%s in .env keeps this one", usual, d.release.Version))
	}
	if shell := d.Settings.FromShell(); len(shell) > 0 {
		d.plan.Notes = append(d.plan.Notes, "taken from the shell, since .env does not have them: "+strings.Join(shell, ", "))
	}
	if over := d.passedOver(); over != "" {
		d.plan.Notes = append(d.plan.Notes, over)
	}
	d.plan.Notes = append(d.plan.Notes, slices.Concat(d.Project.Warnings, d.model.Warnings)...)
	return nil
}

// settle takes the images that are pinned, by service, and has anew what would stay otherwise.
func (d *deployment) settle(pinned map[string]string) {
	for i, wanted := range d.target.Services {
		if id, ok := pinned[wanted.Service]; ok {
			d.target.Services[i].ImageID, d.target.Services[i].Pull = id, false
		}
		if wanted.Service == stack.Convex && d.options.fresh {
			d.target.Services[i].Anew = "--fresh: it writes its built-in configuration anew"
		}
		if wanted.Service == stack.Proxy && d.options.migrating.splits() {
			d.target.Services[i].Anew = "its routes lead to the backend in platform, which moves to convex"
		}
	}
}

// agreeToLost adds to the plan what is made anew, and empty, and what is left behind.
func (d *deployment) agreeToLost(ctx context.Context) error {
	lost, err := d.lost(ctx)
	if err != nil {
		return err
	}
	moved, err := d.places().moved(ctx)
	lost = append(lost, moved...)
	d.plan.Notes, d.plan.Consent = append(d.plan.Notes, lost...), append(d.plan.Consent, lost...)
	return err
}

// migrations adds those that are pending to the plan.
func (d *deployment) migrations(ctx context.Context) error {
	if d.options.rollback {
		return nil
	}
	foreignProxy := d.state.OtherMakes(d.release.Images)[stack.Proxy]
	if err := d.options.migrating.complete(ctx, d.Session, &d.state, &d.plan, foreignProxy); err != nil {
		return err
	}
	if len(d.options.services) > 0 && len(d.plan.Migrations) > 0 {
		return exit.Errorf(exit.Config, "the migration %s is pending, which concerns the whole stack: tale deploy without --services applies it", d.plan.Migrations[0].ID)
	}
	return nil
}

// moving asks the registry about tags that may name another image today. Without an
// answer the image that is there is taken.
func (d *deployment) moving(ctx context.Context) (notes []string) {
	silent := map[string]bool{} // registries
	for i, wanted := range d.target.Services {
		if wanted.Pull || !rollout.Moves(wanted.Image) || silent[engine.Registry(wanted.Image)] {
			continue
		}
		remote, err := d.Engine.Remote(ctx, wanted.Image)
		if err != nil {
			_, all := errors.AsType[*engine.RegistryError](err)
			silent[engine.Registry(wanted.Image)] = all || errors.Is(err, context.DeadlineExceeded)
			notes = append(notes, fmt.Sprintf("whether %s and others of its registry have moved cannot be known: %v", wanted.Image, err))
			continue
		}
		here := slices.ContainsFunc(d.state.Images, func(image engine.Image) bool {
			return image.ID == wanted.ImageID && slices.Contains(image.Digests, engine.Repository(wanted.Image)+"@"+remote.Digest)
		})
		if !here {
			d.target.Services[i].Pull, d.target.Services[i].ImageID = true, ""
		}
	}
	return notes
}

// files compares the project's folders with those in the stack, for the plan.
func (d *deployment) files(ctx context.Context) {
	if d.options.rollback || len(d.options.services) > 0 {
		return
	}
	var err error
	if d.delivery, err = d.CompareFiles(ctx); err != nil {
		d.plan.Notes = append(d.plan.Notes, fmt.Sprintf("the project's folders cannot be compared with the stack's: %v", err))
	} else if summary := d.delivery.Summary(); summary != "" {
		d.plan.Notes = append(d.plan.Notes, "project files, after the switch: "+summary+" (tale files shows which)")
	}
}
