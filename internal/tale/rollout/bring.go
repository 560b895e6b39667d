package rollout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// stage starts what a part of the plan makes and waits until it is ready. Services that
// need each other come one after the other, the rest at once.
func (r *rollout) stage(ctx context.Context, name string, mine func(Change) bool) error {
	var changes []Change
	for _, c := range r.plan.Changes {
		if mine(c) && c.Action != Keep && c.Action != Finish {
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	r.begin(name)
	for len(changes) > 0 {
		// Those that need nothing that is still to come.
		var now, later []Change
		for _, c := range changes {
			if slices.ContainsFunc(changes, func(other Change) bool { return slices.Contains(c.Needs, other.Service) }) {
				later = append(later, c)
			} else {
				now = append(now, c)
			}
		}
		if err := r.bring(ctx, now); err != nil {
			return err
		}
		changes = later
	}
	r.end("")
	return nil
}

// bring starts services and waits for all of them.
func (r *rollout) bring(ctx context.Context, changes []Change) error {
	for _, c := range changes {
		if c.Action == Await {
			continue
		}
		if err := r.up(ctx, c); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range changes {
		group.Go(func() error { return r.await(ctx, c) })
	}
	return group.Wait()
}

// up starts one service by its compose file.
func (r *rollout) up(ctx context.Context, c Change) error {
	service, ok := r.Model.Service(c.Service, c.Colour)
	if !ok {
		return fmt.Errorf("cannot start %s: no compose file has it", c.Service)
	}
	if c.Colour == "" && c.Action != Recreate {
		r.brought = append(r.brought, c.Service)
	}
	if c.Action == Start { // as it is: compose might make it anew
		if err := r.Engine.Start(ctx, service.Container); !engine.IsLost(err) {
			return err
		}
	}
	switch {
	case c.Action == Recreate:
		if err := r.remember(ctx, c, service); err != nil {
			return err
		}
	case c.Colour != "" && c.Action != Start: // a colour that is made anew is still the one of before
		r.started = append(r.started, c)
	}
	path, err := r.Model.Write(service.Project, r.pinned(service.Project))
	if err != nil {
		return err
	}
	err = r.Engine.Up(ctx, engine.UpOptions{File: path, Project: service.Project, Services: []string{stack.Coloured(c.Service, c.Colour)}, Recreate: c.Action == Recreate || c.Action == Start})
	return overridden(err, service)
}

// overridden says of a container that cannot be made that the operator has changed it.
func overridden(err error, service compose.Service) error {
	if err == nil || len(service.Overridden) == 0 || exit.Code(err) == exit.Unavailable {
		return err
	}
	return fmt.Errorf("%w; compose.override.yml changes %s, as the plan lists: correct there what this host cannot do", err, service.Name)
}

// remember notes a service that is about to be replaced. Its compose file is of use for
// putting it back only if the container was made of it: a run that was killed may have
// left one of what it was about to make.
func (r *rollout) remember(ctx context.Context, c Change, service compose.Service) error {
	if len(r.replaced) == 0 {
		r.earlier, _ = os.ReadFile(r.Project.Path("compose", service.Project+".yml"))
	}
	container, err := r.Engine.Inspect(ctx, service.Container)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", service.Container, err)
	}
	if compose.Says(r.earlier, container) {
		r.files[c.Service] = r.earlier
	}
	r.replaced = append(r.replaced, c)
	if !container.State.Well() {
		r.unwell = append(r.unwell, c.Service)
	}
	return nil
}

// pinned returns the images of a compose project's services: what stays keeps its own.
func (r *rollout) pinned(project string) map[string]compose.Pin {
	pins := map[string]compose.Pin{}
	for _, c := range r.plan.Changes {
		if service, ok := r.Model.Service(c.Service, c.Colour); ok && service.Project == project {
			pins[c.Service] = compose.Pin{Image: r.imageOf(c), Version: c.To.Version}
		}
	}
	return pins
}

// imageOf returns what a change makes its container of: the reference, or the id where
// that names another image by now.
func (r *rollout) imageOf(c Change) string {
	if image, ok := r.images[c.Service]; ok {
		return image
	}
	return c.To.Image
}

// await waits until a service is ready.
func (r *rollout) await(ctx context.Context, c Change) error {
	service, _ := r.Model.Service(c.Service, c.Colour)
	container, err := r.Engine.Inspect(ctx, service.Container)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", service.Container, err)
	}
	name := stack.Coloured(c.Service, c.Colour)
	g := &gate{engine: r.Engine, watch: r.watch, remind: r.reminder(name), service: name, id: container.ID, timeout: r.Timeout}
	if why := r.isOver(ctx, c, container); why != "" {
		if container, err = r.again(ctx, name, container, why); err != nil {
			return err
		}
		g.since = container.State.Started
	}
	if !container.State.Restarting {
		g.before = container.Restarts
	}
	err = g.wait(ctx)
	if c.Service == stack.Platform {
		r.live, r.pushed = g.functions()
	}
	if notReady, is := errors.AsType[*NotReadyError](err); is {
		notReady.Otherwise = c.Otherwise
	}
	if err != nil {
		return err
	}
	if err := r.join(ctx, service, container); err != nil {
		return err
	}
	r.note(name, fmt.Sprintf("is ready after %s", time.Since(g.remind.began).Round(100*time.Millisecond)))
	return nil
}

// isOver returns why nothing more comes of a start that is waited for, "" if it may: it has failed
// and is held to be asked, or the engine lets time pass before the next one, or it is ended.
func (r *rollout) isOver(ctx context.Context, change Change, c engine.Container) string {
	const failed, stopped = "its earlier start has failed", "it was being stopped"
	switch {
	case change.Action != Await:
		return ""
	case c.State.Restarting:
		return failed
	case c.State.Ended():
		return stopped
	}
	switch document, _ := bootReport(ctx, r.Engine, c); {
	case document == nil:
		return ""
	case isHeld(*document):
		return failed
	case document.State == report.Draining:
		return stopped
	}
	return ""
}

// again starts a container anew, as it is: what was mended outside its settings shows in a
// new start only.
func (r *rollout) again(ctx context.Context, name string, c engine.Container, why string) (engine.Container, error) {
	r.note(name, "is started again: "+why)
	if err := r.stop(ctx, name, c.ID); err != nil {
		return c, err
	}
	if err := r.Engine.Start(ctx, c.ID); err != nil {
		return c, err
	}
	return r.Engine.Inspect(ctx, c.ID)
}

// join gives a colour that is ready the name by which the others ask for its service. An
// engine takes a name only together with a new connection to the network, which cuts
// nothing: the colour has not been asked for anything.
func (r *rollout) join(ctx context.Context, service compose.Service, c engine.Container) error {
	if joined(c, service) {
		return nil
	}
	if err := r.Engine.Disconnect(ctx, r.Model.Network(), c.ID); err != nil {
		return err
	}
	return r.Engine.Join(ctx, r.Model.Network(), c.ID, append(service.Joins, stack.Coloured(service.Name, service.Colour))...)
}
