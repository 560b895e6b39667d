package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const (
	// lastMigration is the latest at which a run that migrates is hit: its copies and most
	// of the deploy around them lie before it.
	lastMigration = 12 * time.Second
	// mostHits is how often a stack is hit at most before a run is let through.
	mostHits = 8
	// labelSoak is on the volumes whose names have no prefix.
	labelSoak = "dev.tale.soak"
)

// layout is what an earlier release has left: volumes with data, and a container that has
// them.
type layout struct {
	name      string
	project   string // of compose
	service   string
	container string
	volumes   map[string]string // source by path in the container
	copies    map[string]string // target by source
	app       []string          // targets whose files become the application user's
	owned     []string          // those of them that are given away where they are, by which the kernel takes setuid away
	helpers   []string          // what its migrations have helpers for
}

func (s *stack) layouts() []layout {
	return []layout{
		{
			name: "before 0.2.33", project: "tale-blue", service: "platform-blue", container: prefix + "-legacy",
			volumes: map[string]string{"/data": "tale_platform-data", "/backup": "tale_db-backup", "/caddy": "tale_caddy-data"},
			copies:  map[string]string{"tale_platform-data": s.id + "_platform-data", "tale_db-backup": s.id + "_db-backup", "tale_caddy-data": s.id + "_caddy-data"},
			app:     []string{s.id + "_caddy-data"}, owned: []string{s.id + "_caddy-data"}, helpers: []string{"copy", "copy", "copy", "own", "look"},
		},
		{
			name: "0.2.33", project: s.id + "-blue", service: "platform-blue", container: s.id + "-platform-blue",
			volumes: map[string]string{"/data": s.id + "_platform-data"},
			copies:  map[string]string{s.id + "_platform-data": s.id + "_convex-data"},
			app:     []string{s.id + "_convex-data"}, helpers: []string{"copy", "copy", "look"},
		},
		{
			name: "0.2.34", project: s.id + "-blue", service: "convex", container: s.id + "-convex",
			volumes: map[string]string{"/data": s.id + "_convex-data"},
		},
		{
			// What an earlier form of the first migration has forgotten.
			name: "0.2.34, caddy-config", project: "tale", service: "proxy", container: prefix + "-legacy",
			volumes: map[string]string{"/config": "tale_caddy-config"},
			copies:  map[string]string{"tale_caddy-config": s.id + "_caddy-config"},
			app:     []string{s.id + "_caddy-config"}, owned: []string{s.id + "_caddy-config"}, helpers: []string{"copy", "copy", "own", "look"},
		},
	}
}

// lay makes the stack be as an earlier release has left it.
func (s *stack) lay(ctx context.Context, l layout) error {
	args := []string{"run", "-d", "--init", "--restart", "unless-stopped", "--name", l.container, "--label", "com.docker.compose.project=" + l.project, "--label", "com.docker.compose.service=" + l.service,
		"--label", "com.docker.compose.project.working_dir=" + s.dir}
	for path, volume := range l.volumes {
		if _, err := docker(ctx, "volume", "create", "--label", labelSoak, volume); err != nil {
			return err
		}
		args = append(args, "-v", volume+":"+path)
		folder, err := folderOf(ctx, volume)
		if err == nil {
			err = plant(ctx, folder, "")
		}
		if err != nil {
			return err
		}
	}
	_, err := docker(ctx, append(args, "tale-e2e/slim", "sleep", "infinity")...)
	return err
}

// clear removes all that a round has made but the images.
func (s *stack) clear(ctx context.Context) error {
	out, err := docker(ctx, "volume", "ls", "-q", "--filter", "label="+labelSoak)
	all, wrong := docker(ctx, "volume", "ls", "-q")
	if err = errors.Join(err, wrong); err != nil {
		return err
	}
	volumes := strings.Fields(out)
	for _, name := range strings.Fields(all) {
		if strings.HasPrefix(name, s.id+"_") && !slices.Contains(volumes, name) {
			volumes = append(volumes, name)
		}
	}
	filters := []string{"name=^/" + prefix}
	for _, volume := range volumes {
		filters = append(filters, "volume="+volume)
	}
	for _, filter := range filters {
		out, err := docker(ctx, "ps", "-aq", "--filter", filter)
		if found := strings.Fields(out); err == nil && len(found) > 0 {
			_, err = docker(ctx, append([]string{"rm", "-fv"}, found...)...)
		}
		if err != nil {
			return err
		}
	}
	if len(volumes) > 0 {
		if _, err := docker(ctx, append([]string{"volume", "rm"}, volumes...)...); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(s.dir, ".tale"))
}

// migrations hits runs that migrate, and lets a last one reach the goal.
func (s *stack) migrations(ctx context.Context) error {
	if err := s.clear(ctx); err != nil {
		return err
	}
	if out, err := docker(ctx, "volume", "ls", "-q"); err != nil || strings.Contains("\n"+out, "\ntale_") {
		return errors.Join(err, errors.New("there are volumes of an old stack, tale_…, on this engine: they are left alone"))
	}
	defer func() { _ = s.clear(context.WithoutCancel(ctx)) }()
	m := &migrating{s.hitting(1), map[string]int{}}
	defer m.conclude("runs that migrate")
	for round := 0; m.total() < s.kills; round++ {
		l := slices.MinFunc(s.layouts(), func(a, b layout) int { return m.by[a.name] - m.by[b.name] })
		before := m.total()
		if err := m.round(ctx, round, l); err != nil {
			return err
		}
		m.by[l.name] += m.total() - before
		fmt.Printf("    %s, %s: %d of %d hits, %d of it\n", time.Now().Format(time.TimeOnly), l.name, m.total(), s.kills, m.by[l.name])
	}
	return nil
}

// migrating is a series of stacks whose migrations are hit.
type migrating struct {
	*hitting
	by map[string]int // hits, by the name of the layout
}

func (m *migrating) round(ctx context.Context, round int, l layout) error {
	if err := m.clear(ctx); err != nil {
		return err
	}
	if err := m.lay(ctx, l); err != nil {
		return err
	}
	before := map[string]things{}
	for _, volume := range l.volumes {
		found, err := thingsOf(ctx, volume)
		if err != nil {
			return err
		}
		before[volume] = found
	}
	for range 1 + m.chance.IntN(mostHits) {
		if done, err := m.hit(ctx, round, l); err != nil || done {
			if err != nil {
				return err
			}
			break
		}
	}
	m.reruns++
	last, code := m.do(ctx, "deploy", "--yes", "--wait")
	if code != 0 {
		m.trouble(round, "%s: the last run ends with %d:\n%s", l.name, code, last.text())
		return ctx.Err()
	}
	for source := range l.copies { // the command that it prints
		if out, err := docker(ctx, "ps", "-a", "--filter", "volume="+source, "--format", "{{.Names}}"); err != nil || strings.TrimSpace(out) != l.container {
			m.trouble(round, "%s: %s is held by %q, %v", l.name, source, out, err)
		}
	}
	if _, err := m.serving(ctx); err != nil {
		m.trouble(round, "%s: %v", l.name, err)
	}
	return m.compare(ctx, round, l, before)
}

// hit starts a run and hits it, its helper or both. Done is true if it came to its end
// nevertheless.
func (m *migrating) hit(ctx context.Context, round int, l layout) (done bool, err error) {
	ran := isRunning(ctx, l.container)
	r, err := m.start(ctx, "deploy", "--yes", "--wait", "--json")
	if err != nil {
		return false, err
	}
	a := m.aim(lastMigration, l.helpers...)
	struck, err := m.strike(ctx, r, a)
	if err != nil || ctx.Err() != nil {
		return false, errors.Join(err, ctx.Err())
	}
	code := r.code()
	soft := a.kind == interrupted || a.kind == terminated
	switch {
	case !struck && (code == 0 || m.restarted(ctx, r)):
		return code == 0, nil
	case soft && code == -1 && r.text() == "": // before it listened to signals
	case !struck || soft && code != exit.Interrupted || a.kind == noHelper && code == exit.Stuck:
		m.trouble(round, "%s: %s (%t, %s after the helper %q), it ends with %d:\n%s", l.name, a.kind, struck, a.after, a.verb, code, r.text())
	case (soft || a.kind == noHelper) && ran && !isRunning(ctx, l.container):
		m.trouble(round, "%s: %s, and %s does not run:\n%s", l.name, a.kind, l.container, r.text())
	}
	return false, nil
}

func isRunning(ctx context.Context, container string) bool {
	out, err := docker(ctx, "inspect", "-f", "{{.State.Running}}", container)
	return err == nil && strings.TrimSpace(out) == "true"
}

// compare looks for what the copies lack, and for what has changed in the sources. The
// backend may have added to its own, and makes a volume that it uses as it is its user's.
func (m *migrating) compare(ctx context.Context, round int, l layout, before map[string]things) error {
	for source, was := range before {
		now, err := thingsOf(ctx, source)
		if err != nil {
			return err
		}
		target := l.copies[source]
		if target == "" {
			m.wrong(round, l.name+": in "+source, now.contents().lacks(was.contents()))
			continue
		}
		m.wrong(round, l.name+": in the source "+source, now.differs(was))
		if slices.Contains(l.app, target) {
			was = was.givenTo("1001:1001", slices.Contains(l.owned, target))
		}
		if now, err = thingsOf(ctx, target); err != nil {
			return err
		}
		m.wrong(round, l.name+": in the copy "+target, now.lacks(was))
	}
	return nil
}
