package rollout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/place"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// Rollout carries out a plan.
type Rollout struct {
	Engine  *engine.Engine
	Project *project.Project
	Model   *compose.Model
	// Again returns the model anew once images have come: it goes by what they are. nil: it stays.
	Again   func([]engine.Image) (*compose.Model, error)
	Site    func(ctx context.Context, proxy engine.Container) (*site.Visitor, error)
	Timeout time.Duration // for each service to become ready, longer while its boot moves
	Say     func(Event)
	// Migrations are those of the plan, and what an earlier run has left; nil: none.
	Migrations *migration.Run
}

// rollout is one run of a Rollout.
type rollout struct {
	Rollout
	*teller
	plan   Plan
	images map[string]string // that containers are made of: reference, or id where that names another image
	watch  *watch
	// What this run has changed, for taking it back: new colours, services that were
	// replaced in place, and what their compose file said before.
	started  []Change
	replaced []Change
	unwell   []string          // of those, which were not ready before
	brought  []string          // services that do not rotate and did not run
	earlier  []byte            // nil: there was none, another tool has made them
	files    map[string][]byte // by service that was replaced: earlier, where it says what ran
	before   string            // why the site did not answer before the switch, "" if it did
	migrated bool              // or begun to be
	passed   bool              // the point of no return
	pushed   bool              // the new release's functions are in the backend
}

// Run carries out the plan. What fails before the point of no return is taken back; the
// error then says so. A cancelled context counts as a failure.
func (r Rollout) Run(ctx context.Context, plan Plan) error {
	run := &rollout{Rollout: r, plan: plan, watch: newWatch(), images: map[string]string{}, files: map[string][]byte{}}
	run.teller = &teller{say: func(e Event) {
		e.Text = run.stack().ByTale(e.Text) // what the services say of themselves is in compose's words
		r.Say(e)
	}}
	listening, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group errgroup.Group
	group.Go(func() error { return run.watch.listen(listening, r.Engine, Projects(plan.Project)) })
	err := run.everything(ctx)
	if err != nil && !run.passed {
		if ctx.Err() != nil {
			err = ctx.Err() // whatever it was that noticed
		}
		err = run.takeBack(context.WithoutCancel(ctx), err)
	}
	stop()
	return errors.Join(err, group.Wait())
}

// stack returns the words for what is run.
func (r *rollout) stack() place.Stack {
	return place.Stack{Development: r.plan.Project == compose.DevelopmentID(r.Project.File.ID), Container: func(service string) string {
		change, _ := r.plan.Of(service)
		run, _ := r.Model.Service(service, change.Colour)
		return run.Container
	}}
}

func (r *rollout) everything(ctx context.Context) error {
	for _, stage := range []func(context.Context) error{
		r.pull, r.migrate, r.ground, r.clear, r.infrastructure, r.helpers, r.platform, r.switchOver, r.visit,
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := stage(ctx); err != nil {
			return err
		}
	}
	r.passed = true
	return r.retire(context.WithoutCancel(ctx))
}

// migrate brings what earlier releases have left to where this one looks for it. What
// the migrations have stopped stays so: until the new release serves, or takeBack.
func (r *rollout) migrate(ctx context.Context) error {
	if r.Migrations == nil {
		return nil
	}
	r.begin("migrate")
	r.migrated = true
	r.Migrations.Say = func(e migration.Event) {
		kind := Noted
		if e.Passing {
			kind = Progress
		}
		r.tell(Event{Kind: kind, Service: e.Subject, Text: e.Text, Current: e.Current, Total: e.Total})
	}
	if err := r.Migrations.Apply(ctx); err != nil {
		return err
	}
	r.end("")
	return nil
}

// ground makes the network and the volumes that are missing.
func (r *rollout) ground(ctx context.Context) error {
	labels := engine.Owned(r.plan.Project)
	if r.plan.Network != "" {
		if err := r.Engine.CreateNetwork(ctx, r.plan.Network, labels); err != nil {
			return err
		}
	}
	for _, volume := range r.plan.Volumes {
		if err := r.Engine.CreateVolume(ctx, volume, labels); err != nil {
			return err
		}
	}
	return nil
}

// clear removes what earlier runs have left under the names of the new colours.
func (r *rollout) clear(ctx context.Context) error {
	return r.remove(ctx, false)
}

func (r *rollout) remove(ctx context.Context, after bool) error {
	for _, left := range r.plan.Remove {
		if left.After != after {
			continue
		}
		r.tell(Event{Kind: Progress, Service: left.Name, Text: "is removed: " + left.Why})
		if err := r.dispose(ctx, left.Container); err != nil {
			return err
		}
	}
	return nil
}

// dispose stops and removes a container that serves nothing.
func (r *rollout) dispose(ctx context.Context, id string) error {
	if err := r.stop(ctx, "", id); err != nil {
		return err
	}
	return r.Engine.Remove(ctx, id)
}

// stop stops a container with its own grace, and says that it goes on.
func (r *rollout) stop(ctx context.Context, service, id string) error {
	done := make(chan error, 1)
	go func() { done <- r.Engine.Stop(ctx, id, 0) }()
	remind := r.reminder(service)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			remind.progress("stopping; what it has under way may take its grace")
		}
	}
}

// infrastructure brings the services that do not rotate up, in their order.
func (r *rollout) infrastructure(ctx context.Context) error {
	return r.stage(ctx, "infrastructure", func(c Change) bool { return c.Colour == "" })
}

// helpers brings up the new colours of what the web application calls, before its own
// boot changes anything in the backend.
func (r *rollout) helpers(ctx context.Context) error {
	return r.stage(ctx, "services", func(c Change) bool { return c.Colour != "" && c.Service != stack.Platform })
}

func (r *rollout) platform(ctx context.Context) error {
	r.look(ctx)
	return r.stage(ctx, "platform", func(c Change) bool { return c.Colour != "" && c.Service == stack.Platform })
}

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
	return r.Engine.Up(ctx, engine.UpOptions{File: path, Project: service.Project, Services: []string{named(c.Service, c.Colour)}, Recreate: c.Action == Recreate || c.Action == Start}, nil)
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

// named returns how a service is called in messages and in compose files.
func named(service, colour string) string {
	if colour == "" {
		return service
	}
	return stack.Coloured(service, colour)
}

// await waits until a service is ready.
func (r *rollout) await(ctx context.Context, c Change) error {
	service, _ := r.Model.Service(c.Service, c.Colour)
	container, err := r.Engine.Inspect(ctx, service.Container)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", service.Container, err)
	}
	name := named(c.Service, c.Colour)
	g := &gate{engine: r.Engine, watch: r.watch, remind: r.reminder(name), service: name, id: container.ID, timeout: r.Timeout}
	if !container.State.Restarting {
		g.before = container.Restarts
	}
	err = g.wait(ctx)
	if c.Service == stack.Platform {
		r.pushed = g.finished(deployStage)
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
	return r.Engine.Join(ctx, r.Model.Network(), c.ID, append(service.Joins, named(service.Name, service.Colour))...)
}

// retire stops what the new colours have replaced, with the grace that each container
// has, and what is not asked for any more. It goes on whatever fails: the site is served.
func (r *rollout) retire(ctx context.Context) error {
	var retired []Change
	for _, c := range r.plan.Changes {
		if c.Retire != "" {
			retired = append(retired, c)
		}
	}
	if len(retired) > 0 {
		r.begin("drain")
	}
	var mu sync.Mutex
	var group errgroup.Group
	var failed []error
	for _, c := range retired {
		group.Go(func() error {
			began := time.Now()
			err := r.stop(ctx, named(c.Service, stack.OtherColour(c.Colour)), c.Retire)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, fmt.Errorf("%w; stop it by hand: docker stop %s", err, c.Retire[:min(12, len(c.Retire))]))
				return nil
			}
			r.note(named(c.Service, stack.OtherColour(c.Colour)), fmt.Sprintf("has drained and stopped in %s", time.Since(began).Round(100*time.Millisecond)))
			return nil
		})
	}
	_ = group.Wait() // it collects its errors
	if err := r.remove(ctx, true); err != nil {
		failed = append(failed, err)
	}
	if len(retired) > 0 {
		r.end("")
	}
	if r.migrated {
		if err := r.Migrations.Done(ctx); err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		return &LeftError{errors.Join(failed...)}
	}
	return nil
}

// LeftError is what could not be cleared away after a switch that is done.
type LeftError struct{ error }

func (e *LeftError) Unwrap() error { return e.error }
