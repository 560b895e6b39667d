package rollout

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/place"
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
	visited  bool              // the site has answered through the new colour
	passed   bool              // the point of no return
	ready    map[string]start  // of what was ready then, by container
	live     bool              // the new release's functions are in the backend
	pushed   bool              // it has put them there
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
	group.Go(func() error { return run.watch.listen(listening, r.Engine, compose.Projects(plan.Project)) })
	err := run.everything(ctx)
	if err != nil && !run.passed {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // whatever it was that noticed
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
	ctx = context.WithoutCancel(ctx)
	return r.stands(ctx, r.retire(ctx))
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

// infrastructure is the stage of all that does not rotate.
const infrastructure = "infrastructure"

// ground makes the network and the volumes that are missing.
func (r *rollout) ground(ctx context.Context) error {
	r.teller.stage = infrastructure
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

// infrastructure brings the services that do not rotate up, in their order.
func (r *rollout) infrastructure(ctx context.Context) error {
	return r.stage(ctx, infrastructure, func(c Change) bool { return c.Colour == "" })
}

// helpers brings up the new colours of what the web application calls, before its own
// boot changes anything in the backend.
func (r *rollout) helpers(ctx context.Context) error {
	return r.stage(ctx, "services", func(c Change) bool { return c.Colour != "" && c.Service != stack.Platform })
}

func (r *rollout) platform(ctx context.Context) error {
	r.look(ctx)
	err := r.stage(ctx, "platform", func(c Change) bool { return c.Colour != "" && c.Service == stack.Platform })
	r.ready = r.starts(ctx)
	return err
}
