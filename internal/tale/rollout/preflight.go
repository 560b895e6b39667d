package rollout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
)

const (
	preflightLimit = 3 * time.Second
	// roomOfImages is asked for where a registry does not tell how large an image is, in
	// bytes and for each.
	roomOfImages = 500 << 20
)

// Unfit are the reasons for which a plan cannot be carried out on this host.
type Unfit []error

func (u Unfit) Error() string {
	var lines []string
	for _, problem := range u {
		lines = append(lines, "  "+problem.Error())
	}
	return "cannot deploy on this host:\n" + strings.Join(lines, "\n")
}

// ExitCode returns that of the gravest reason: what the operator has to correct, then
// what is not permitted, then what is not there.
func (u Unfit) ExitCode() int {
	code := exit.Unavailable
	for _, problem := range u {
		code = max(code, exit.Code(problem))
	}
	return code
}

// Preflight looks for everything that would stop the plan, at once, and changes nothing; what it
// has learned stands in the plan. A dry one does not even make a helper to look with.
func Preflight(ctx context.Context, docker *engine.Engine, model *compose.Model, state State, plan *Plan, dry bool) error {
	ctx, cancel := context.WithTimeout(ctx, preflightLimit)
	defer cancel()
	p := &preflight{engine: docker, model: model, state: state, plan: *plan, dry: dry, registries: map[string]map[string]error{}}
	info, err := docker.Info(ctx)
	if err != nil {
		return err
	}
	p.info = info
	var room func([]Download)
	checks := []func(context.Context){
		p.plugin, p.foreign, p.presumed, p.network, p.proxy, p.memory, p.clock, p.ports,
		func(ctx context.Context) { room = p.disk(ctx) }, func(ctx context.Context) { plan.Downloads = p.downloads(ctx) },
	}
	for _, image := range plan.Pull {
		checks = append(checks, func(ctx context.Context) { p.image(ctx, image) })
	}
	for _, c := range plan.Changes {
		if c.Action != Keep && !slices.Contains(plan.Pull, c.To.Image) {
			checks = append(checks, func(ctx context.Context) { p.here(ctx, c) })
		}
	}
	var group sync.WaitGroup
	for _, check := range checks {
		group.Go(func() { check(ctx) })
	}
	group.Wait()
	room(plan.Downloads)
	p.refuseRegistries()
	plan.Notes = append(plan.Notes, p.notes...)
	if len(p.problems) > 0 {
		slices.SortFunc(p.problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return p.problems
	}
	return nil
}

type preflight struct {
	engine *engine.Engine
	model  *compose.Model
	info   engine.Info
	state  State
	plan   Plan
	dry    bool

	mu         sync.Mutex
	problems   Unfit
	notes      []string
	registries map[string]map[string]error // that hand out nothing, by image
}

func (p *preflight) refuse(code int, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, exit.Errorf(code, format, args...))
}

func (p *preflight) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

func (p *preflight) plugin(ctx context.Context) {
	_, err := p.engine.ComposeVersion(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		p.note("the compose plugin has not told its version in time: the host may be busy")
	case err != nil:
		p.refuse(exit.Code(err), "%w", err)
	}
}

// foreign refuses to take names that somebody else's containers and volumes have.
func (p *preflight) foreign(context.Context) {
	for _, volume := range p.model.Volumes() {
		if owner := p.state.Owners[volume]; owner != "" {
			p.refuse(exit.Config, "the volume %s is there and of the project %q (docker volume inspect %s): nothing of this project is put into it; rename it, or give this project another id in tale.json", volume, owner, volume)
		}
	}
	for _, c := range p.state.Foreign {
		p.refuse(exit.Config, "the container %s is there and not of this project (its compose project is %q): rename or remove it", c.Name, c.ComposeProject)
	}
}

// presumed refuses what would be made with what is not there, which docker compose finds when
// others are made already. What this command cannot see on the host may be there.
func (p *preflight) presumed(ctx context.Context) {
	volumes, networks, paths := map[string][]string{}, map[string][]string{}, map[string][]string{} // services by them
	for _, c := range p.plan.Changes {
		if !slices.Contains([]Action{Create, Rotate, Recreate}, c.Action) {
			continue
		}
		service, _ := p.model.Service(c.Service, c.Colour)
		by := func(users map[string][]string, names []string) {
			for _, name := range names {
				users[name] = append(users[name], c.Service)
			}
		}
		by(volumes, service.Presumed.Volumes)
		by(networks, service.Presumed.Networks)
		by(paths, service.Presumed.Paths)
	}
	for name, services := range volumes {
		// An engine does not list one whose driver is away.
		if _, there, err := p.engine.Volume(ctx, name); err == nil && !there && !slices.Contains(p.model.Volumes(), name) {
			p.refuse(exit.Config, "compose.override.yml gives %s the volume %s, which is not there: docker volume create %[2]s makes it, and empty; or correct the name", english.WordSeries(services, "and"), name)
		}
	}
	for name, services := range networks {
		// It may be named by its id.
		if slices.Contains(p.state.Networks, name) {
			continue
		}
		if _, there, err := p.engine.Network(ctx, name); err == nil && !there {
			p.refuse(exit.Config, "compose.override.yml puts %s into the network %s, which is not there: docker network create %[2]s makes it; or correct the name", english.WordSeries(services, "and"), name)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && p.info.Local {
			p.note("compose.override.yml gives %s %s, which is not there as seen from here: without it the container cannot start", english.WordSeries(paths[path], "and"), path)
		}
	}
}

// network says what a network that was there before means for the stack, which joins it.
func (p *preflight) network(ctx context.Context) {
	network, there, err := p.engine.Network(ctx, p.model.Network())
	if err != nil || !there {
		return // it is made, or the engine's trouble is said elsewhere
	}
	if owner := stranger(network.Labels, p.plan.Project); owner != "" {
		p.note("the network %s is of the project %q (docker network inspect %[1]s), and goes with that", network.Name, owner)
	}
	if change, there := p.plan.Of(stack.Proxy); there && change.Action != Keep && network.Internal {
		p.note("the network %s was made internal: nobody outside reaches a port of the proxy, unless compose.override.yml puts it into another network, too; remove it, and it is made anew", network.Name)
	}
}

// proxy says when what the services ask of one another may go to a proxy of the company.
func (p *preflight) proxy(context.Context) {
	proxy, without := p.engine.ContainersProxy()
	var asked []string
	for _, name := range []string{stack.Convex, stack.RAG, stack.Crawler} {
		if _, there := p.plan.Of(name); there && !slices.Contains(without, name) {
			asked = append(asked, name)
		}
	}
	if proxy != "" && len(asked) > 0 && !slices.Contains(without, "*") {
		p.note("the docker command's config.json gives containers HTTP_PROXY, and its noProxy does not have %s: some web servers, such as those of Bun, then ask the proxy for them; add them there", strings.Join(asked, ", "))
	}
}

// image asks the registry whether an image can be pulled here.
func (p *preflight) image(ctx context.Context, image string) {
	remote, err := p.engine.Remote(ctx, image)
	nothing, all := errors.AsType[*engine.RegistryError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		p.note("the registry has not told in time whether it has %s", image)
	case all:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.registries[nothing.Registry] == nil {
			p.registries[nothing.Registry] = map[string]error{}
		}
		p.registries[nothing.Registry][image] = err
	case err != nil:
		p.refuse(exit.Code(err), "%w", err)
	case len(remote.Platforms) > 0 && !slices.Contains(remote.Platforms, p.info.OS+"/"+p.info.Arch):
		p.refuse(exit.Config, "%s is not there for %s/%s, only for %s", image, p.info.OS, p.info.Arch, strings.Join(remote.Platforms, ", "))
	}
}

// refuseRegistries names each registry once, however many images were asked for.
func (p *preflight) refuseRegistries() {
	for _, refused := range p.registries {
		images := slices.Sorted(maps.Keys(refused))
		err := refused[images[0]]
		if len(images) > 1 {
			err = fmt.Errorf("%w; so it is with %s", err, strings.Join(images[1:], ", "))
		}
		p.problems = append(p.problems, err)
	}
}

// here says when an image that the engine has is made for another platform, which some engines
// run as well, and refuses one that is made for another service.
func (p *preflight) here(ctx context.Context, change Change) {
	image, there, err := p.engine.Image(ctx, change.To.Image)
	if err != nil || !there {
		return
	}
	if image.OS+"/"+image.Arch != p.info.OS+"/"+p.info.Arch {
		p.note("%s is made for %s/%s and the engine is %s/%s, which ends with \"exec format error\" unless it emulates the other: docker pull --platform %[4]s/%[5]s %[1]s", change.To.Image, image.OS, image.Arch, p.info.OS, p.info.Arch)
	}
	if err := isOf(change, image); err != nil {
		p.refuse(exit.Code(err), "%w", err)
	}
}

// isOf refuses an image that says that it is made for another service.
func isOf(change Change, image engine.Image) error {
	title, ours := strings.CutPrefix(image.Labels[ocispec.AnnotationTitle], "tale-")
	if ours && title != change.Service && slices.Contains([]string{stack.DB, stack.Convex, stack.Platform, stack.Proxy}, title) {
		return exit.Errorf(exit.Config, "%s is an image of %s (its title is tale-%[2]s), and not of %[3]s: correct `images` in tale.json", change.To.Image, title, change.Service)
	}
	return nil
}

// disk measures how much the engine's disk has free, where something is to come to it, and
// refuses one that has less than that takes, once the downloads are known.
func (p *preflight) disk(ctx context.Context) (refuse func([]Download)) {
	copies, err := migration.Plan{Steps: p.plan.Migrations}.Room()
	if err != nil {
		p.refuse(exit.Code(err), "%w", err)
	}
	if len(p.plan.Pull) == 0 && copies == 0 {
		return func([]Download) {}
	}
	free, _, known := p.info.DiskFree()
	if !known && !p.dry {
		if free, _, err = p.engine.DiskFree(ctx); err != nil {
			p.note("how much the disk has free cannot be seen: %v", err)
		}
		known = err == nil
	}
	return func(downloads []Download) {
		if need := p.images(downloads)*11/10 + copies; known && free < need {
			p.refuse(exit.Unavailable, "%s has %s free, and the new images and copies of volumes need some %s: free some, `tale cleanup --dry-run` shows what it can",
				p.info.Root, humanize.Bytes(uint64(free)), humanize.Bytes(uint64(need)))
		}
	}
}

// images returns what the new images take: no less than their downloads.
func (p *preflight) images(downloads []Download) (bytes int64) {
	for _, image := range p.plan.Pull {
		size := p.sizeOf(image)
		for _, d := range downloads {
			if d.Image == image {
				size = max(size, d.Bytes)
			}
		}
		bytes += size
	}
	return bytes
}

// sizeOf guesses what an image takes: as much as the one that it replaces.
func (p *preflight) sizeOf(image string) int64 {
	for _, c := range p.plan.Changes {
		if c.To.Image == image && c.From != nil {
			if old, ok := p.state.image(c.From.ImageID); ok {
				return old.Size
			}
		}
	}
	return roomOfImages
}

// memory says when two colours may not fit beside each other.
func (p *preflight) memory(context.Context) {
	const little = 512 << 20
	rotates := slices.ContainsFunc(p.plan.Changes, func(c Change) bool { return c.Action == Rotate })
	if free, known := availableMemory(); rotates && known && p.info.Local && free < little {
		p.note("%s of memory are free: two colours may not fit beside each other", humanize.Bytes(uint64(free)))
	}
}

// availableMemory returns what Linux says can still be taken, in bytes.
func availableMemory() (free int64, known bool) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false // another system, whose engine is in a virtual machine anyway
	}
	_, line, found := strings.Cut(string(text), "MemAvailable:")
	if _, err := fmt.Sscan(line, &free); err != nil || !found {
		return 0, false
	}
	return free << 10, true
}
