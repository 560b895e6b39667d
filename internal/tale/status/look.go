package status

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// Source is what Look asks.
type Source struct {
	Engine  *engine.Engine
	Info    engine.Info
	Project *project.Project
	Memory  bool // also ask what each container uses
	URL     string
	// Target returns what the files ask for, of a stack that has these images.
	Target func(rollout.State) (rollout.Target, error)
}

// Facts are what Look has found.
type Facts struct {
	Project     *project.Project
	State       rollout.State
	Current     map[string]engine.Container // by service
	Development []engine.Container
	Plan        rollout.Plan
	Unplanned   error // why there is no plan
	Lock        *project.Holder
	Disk        *Disk
	History     []project.Entry
	Unread      error            // why there is no history
	Restore     error            // of one that was killed
	Memory      map[string]int64 // by container
	URL, Engine string
	Now         time.Time
}

// Look asks the engine once for all containers, then at the same time the proxy and about
// each container that runs: a dozen calls for a whole stack.
func Look(ctx context.Context, s Source) (Facts, error) {
	f := Facts{Project: s.Project, Current: map[string]engine.Container{}, Memory: map[string]int64{}, URL: s.URL, Engine: s.Info.Version, Now: time.Now()}
	if err := f.list(ctx, s); err != nil {
		return f, err
	}
	group, inside := errgroup.WithContext(ctx)
	looked := rollout.State{Containers: slices.Clone(f.State.Containers)}
	var target rollout.Target
	group.Go(func() error {
		looked.AskServing(inside, s.Engine)
		return nil
	})
	group.Go(func() error { return f.inspect(inside, s) })
	group.Go(func() error {
		// The list is enough for it, and it takes as long as the proxy.
		target, f.Unplanned = s.Target(rollout.State{Containers: looked.Containers, Images: f.State.Images})
		return nil
	})
	if err := group.Wait(); err != nil {
		return f, err
	}
	f.State.Serving = looked.Serving
	for _, service := range stack.Services() {
		if current, there := f.State.Current(service.Name); there {
			f.Current[service.Name] = current
		}
	}
	if f.Unplanned == nil {
		f.Plan = rollout.NewPlan(f.State, target)
	}
	if holder, held := project.Held(s.Info.ID, s.Project.File.ID); held {
		f.Lock = &holder
	}
	if free, total, known := s.Info.DiskFree(); known {
		f.Disk = &Disk{free, total}
	}
	f.History, f.Unread = s.Project.History()
	return f, nil
}

// list finds the containers of the project, and their images.
func (f *Facts) list(ctx context.Context, s Source) error {
	everything, err := s.Engine.Everything(ctx)
	id, renamed := s.Project.File.ID, false
	for _, c := range everything {
		switch {
		case slices.Contains(compose.Projects(id), c.ComposeProject):
			f.State.Containers = append(f.State.Containers, c)
			f.State.Images = append(f.State.Images, engine.Image{ID: c.ImageID, Tags: []string{c.Image}, Labels: c.Labels})
			_, hex, _ := strings.Cut(c.ImageID, ":")
			renamed = renamed || c.Image == c.ImageID || strings.HasPrefix(hex, c.Image)
		case c.ComposeProject == compose.DevelopmentID(id):
			f.Development = append(f.Development, c)
		}
	}
	if renamed && err == nil {
		// The list names an image by its reference as long as that still means it.
		f.State.Images, err = s.Engine.Images(ctx)
	}
	return err
}

// inspect looks into what runs, and into all of a service of which nothing runs: the list
// does not say which ended last.
func (f *Facts) inspect(ctx context.Context, s Source) error {
	var mu sync.Mutex
	listed := rollout.State{Containers: slices.Clone(f.State.Containers)}
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range listed.Containers {
		current, _ := listed.Current(c.Service)
		if c.Service == "" || !c.State.Running && current.State.Running {
			continue
		}
		group.Go(func() error {
			found, err := s.Engine.Inspect(ctx, c.ID)
			if engine.IsNotFound(err) {
				return nil // removed since the list
			}
			var used int64
			if err == nil && s.Memory && found.State.Running {
				used, _, _ = s.Engine.Memory(ctx, c.ID) // it may have ended meanwhile
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				f.State.Containers[i], f.Memory[c.ID] = found, used
			}
			return err
		})
	}
	return group.Wait()
}
