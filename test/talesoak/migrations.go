package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
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
	app       string            // the target whose files become the application user's
}

func (s *stack) layouts() []layout {
	return []layout{
		{
			name: "before 0.2.33", project: "tale-blue", service: "platform-blue", container: prefix + "-legacy",
			volumes: map[string]string{"/data": "tale_platform-data", "/backup": "tale_db-backup"},
			copies:  map[string]string{"tale_platform-data": s.id + "_platform-data", "tale_db-backup": s.id + "_db-backup"},
		},
		{
			name: "0.2.33", project: s.id + "-blue", service: "platform-blue", container: s.id + "-platform-blue",
			volumes: map[string]string{"/data": s.id + "_platform-data"},
			copies:  map[string]string{s.id + "_platform-data": s.id + "_convex-data"}, app: s.id + "_convex-data",
		},
		{
			name: "0.2.34", project: s.id + "-blue", service: "convex", container: s.id + "-convex",
			volumes: map[string]string{"/data": s.id + "_convex-data"},
		},
	}
}

// tree fills a folder with files of every kind.
const tree = `umask 022; mkdir -p "$0/a/b" "$0/c" && cd "$0"
for i in $(seq 80); do head -c $((i * 200)) /dev/urandom >a/b/$i; done
head -c 4000000 /dev/urandom >large && truncate -s 9M sparse && printf end >>sparse
ln a/b/1 c/hard && ln -s ../a/b/2 c/soft && mkfifo pipe && : >empty && printf x >"a
name" && chown -R 1000:1000 a && chmod 4755 empty && chmod 700 c && touch -d "2020-02-02 02:02:02.123456789" c a/b/3`

// listing shows names, kinds, modes, dates, links and owners, and the content.
const listing = `cd /v && find . ! -path . ! -type d -printf '%P %y %m %T@ %n %l OWNER\n' | LC_ALL=C sort && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum`

func list(ctx context.Context, volume, owner string) ([]string, error) {
	out, err := docker(ctx, "run", "--rm", "--name", prefix+"-list", "-v", volume+":/v:ro", "tale-e2e/slim", "sh", "-c", strings.ReplaceAll(listing, "OWNER", owner))
	return strings.Split(out, "\n"), err
}

// lay makes the stack be as an earlier release has left it.
func (s *stack) lay(ctx context.Context, l layout) error {
	args := []string{"run", "-d", "--init", "--name", l.container, "--label", "com.docker.compose.project=" + l.project, "--label", "com.docker.compose.service=" + l.service,
		"--label", "com.docker.compose.project.working_dir=" + s.dir}
	var fill []string
	for path, volume := range l.volumes {
		if _, err := docker(ctx, "volume", "create", "--label", labelSoak, volume); err != nil {
			return err
		}
		args = append(args, "-v", volume+":"+path)
		fill = append(fill, path)
	}
	if _, err := docker(ctx, append(args, "tale-e2e/slim", "sleep", "infinity")...); err != nil {
		return err
	}
	for _, path := range fill {
		if _, err := docker(ctx, "exec", l.container, "sh", "-ec", tree, path); err != nil {
			return err
		}
	}
	return nil
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
	m := &migrating{stack: s, chance: rand.New(rand.NewPCG(s.seed, 1)), hits: map[string]int{}}
	for round := 0; m.total() < s.kills; round++ {
		l := s.layouts()[round%len(s.layouts())]
		if err := m.round(ctx, round, l); err != nil {
			return err
		}
		fmt.Printf("    %s, %s: %d of %d hits (%v)\n", time.Now().Format(time.TimeOnly), l.name, m.total(), s.kills, m.hits)
	}
	s.want(len(m.troubles) == 0, fmt.Sprintf("%d hits of runs that migrate: wrong bytes, sources changed, goals missed", m.total()), 0, len(m.troubles))
	return nil
}

// migrating is a series of stacks whose migrations are hit.
type migrating struct {
	*stack
	chance   *rand.Rand
	hits     map[string]int // by kind
	troubles []string
}

func (m *migrating) total() (all int) {
	for _, n := range m.hits {
		all += n
	}
	return all
}

func (m *migrating) trouble(round int, format string, args ...any) {
	text := fmt.Sprintf("round %d at %s: ", round, time.Now().Format(time.TimeOnly)) + fmt.Sprintf(format, args...)
	fmt.Println("   ", text)
	m.troubles = append(m.troubles, text)
}

func (m *migrating) round(ctx context.Context, round int, l layout) error {
	if err := m.clear(ctx); err != nil {
		return err
	}
	if err := m.lay(ctx, l); err != nil {
		return err
	}
	before := map[string][]string{}
	for _, volume := range l.volumes {
		lines, err := list(ctx, volume, "%U:%G")
		if err != nil {
			return err
		}
		before[volume] = lines
	}
	for range 1 + m.chance.IntN(mostHits) {
		if done, err := m.hit(ctx, round, l); err != nil || done {
			if err != nil {
				return err
			}
			break
		}
	}
	last, code := m.do(ctx, "deploy", "--yes", "--wait")
	if code != 0 {
		m.trouble(round, "%s: the last run ends with %d:\n%s%s", l.name, code, last.out.String(), last.said.String())
		return nil
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

// hit starts a run and hits it, its helper or both at a random moment. Done is true if it
// came to its end nevertheless.
func (m *migrating) hit(ctx context.Context, round int, l layout) (done bool, err error) {
	r, err := m.start(ctx, "deploy", "--yes", "--wait")
	if err != nil {
		return false, err
	}
	if !pause.For(ctx, time.Duration(m.chance.Int64N(int64(lastMigration)))) {
		return false, ctx.Err()
	}
	kind := []string{"tale", "tale", "helper", "both", "interrupt"}[m.chance.IntN(5)]
	switch kind {
	case "tale", "both":
		_ = r.command.Process.Kill() // it may have ended
	case "interrupt":
		_ = r.command.Process.Signal(syscall.SIGINT)
	}
	if kind == "helper" || kind == "both" {
		if struck, err := m.killHelpers(ctx); err != nil || kind == "helper" && !struck {
			return r.code() == 0, err
		}
	}
	code := r.code()
	if code == 0 {
		return true, nil
	}
	m.hits[kind]++
	switch {
	case kind == "interrupt" && code != exit.Interrupted, kind == "helper" && code == exit.Stuck:
		m.trouble(round, "%s: hit by %s, it ends with %d:\n%s", l.name, kind, code, r.said.String())
	case kind == "interrupt" && !strings.Contains(r.said.String(), "nothing was changed"):
		out, err := docker(ctx, "inspect", "-f", "{{.State.Running}}", l.container)
		if err != nil || strings.TrimSpace(out) != "true" {
			m.trouble(round, "%s: interrupted, and %s does not run: %v\n%s", l.name, l.container, err, r.said.String())
		}
	}
	return false, nil
}

func (m *migrating) killHelpers(ctx context.Context) (struck bool, err error) {
	out, err := docker(ctx, "ps", "--format", "{{.Names}} {{.Label \"dev.tale.copy\"}}")
	for line := range strings.Lines(out) {
		if name, copies, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(copies, m.id) {
			_, wrong := docker(ctx, "kill", name)
			struck = struck || wrong == nil // it may have ended
		}
	}
	return struck, err
}

// compare looks for what the copies lack, and for what has changed in the sources. The
// backend may have added to its own.
func (m *migrating) compare(ctx context.Context, round int, l layout, before map[string][]string) error {
	for source, lines := range before {
		targets := map[string]string{source: "%U:%G"}
		if target := l.copies[source]; target != "" {
			targets[target] = "%U:%G"
		}
		for volume, owner := range targets {
			wanted := lines
			if volume == l.app {
				wanted = givenTo(lines, "1001:1001")
			}
			have, err := list(ctx, volume, owner)
			if err != nil {
				return err
			}
			for _, line := range wanted {
				// Of a volume that is used as it is the backend makes all its own.
				if !slices.Contains(have, line) && (len(l.copies) > 0 || isSum(line)) {
					m.trouble(round, "%s: %s lacks %q", l.name, volume, line)
				}
			}
			if volume == source && len(have) != len(lines) && len(l.copies) > 0 {
				m.trouble(round, "%s: the source %s has changed", l.name, volume)
			}
		}
	}
	return nil
}

func isSum(line string) bool { return len(line) > 66 && line[64:66] == "  " }

// givenTo returns a listing with another owner.
func givenTo(lines []string, owner string) []string {
	owned := slices.Clone(lines)
	for i, line := range owned {
		for _, was := range []string{" 0:0", " 1000:1000"} {
			if text, found := strings.CutSuffix(line, was); found {
				owned[i] = text + " " + owner
			}
		}
	}
	return owned
}
