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

	"filippo.io/age"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
)

const (
	// backedUp is the project whose data are backed up and restored, by a database image
	// that has pg_dump.
	backedUp      = prefix + "-000003"
	databaseImage = "tale-e2e/tale-db:17"
	// own is a folder of the volume that the backend does not touch, and hidden the one
	// that restores work in.
	own, hidden = "soak/", ".tale-restore"
	// lastBackup and so on are when a run is hit at the latest: all of it lies before, but
	// for the start of the services.
	lastBackup, lastRestore = 4 * time.Second, 12 * time.Second
	// lastNoted is the same from when a restore has noted what it stops.
	lastNoted = 8 * time.Second
	// freed is how long what a killed run has left beside the engine may take to end.
	freed = 30 * time.Second
)

// backups hits runs that back up and restore, and lets a last one reach the goal.
func (s *stack) backups(ctx context.Context) error {
	p, err := s.another(backedUp)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(p.dir) }()
	b := &backing{hitting: p.hitting(2), file: filepath.Join(p.dir, "b.tar"), server: p.id + "-db", services: services}
	more := "SHUTDOWN_DRAIN_SECONDS=1\nCONVEX_ALLOW_DOWNGRADE=true\n"
	if s.away {
		url, err := b.elsewhere(ctx)
		if err != nil {
			return err
		}
		more += "POSTGRES_URL=" + url + "\n"
	}
	text := fmt.Sprintf(`{"version": 1, "id": %q, "services": ["%s"], "images": {"db": %q, "platform": "%s/tale-platform"}}`, p.id, strings.Join(b.services, `","`), databaseImage, prefix)
	settings, err := os.ReadFile(filepath.Join(p.dir, ".env"))
	err = errors.Join(err, os.WriteFile(filepath.Join(p.dir, "tale.json"), []byte(text), 0o600),
		os.WriteFile(filepath.Join(p.dir, ".env"), append(settings, more...), 0o600))
	if err != nil {
		return err
	}
	if _, err := p.must(ctx, "deploy", "--yes"); err != nil {
		return err
	}
	defer func() {
		b.conclude("backups and restores")
		fmt.Printf("  %d containers that the engine had lost were made anew by a deploy\n", b.made)
		fmt.Printf("  %d killed restores have ended without their file: %d given up, %d finished\n", b.givenUp+b.finished, b.givenUp, b.finished)
		fmt.Printf("  at most %s until nothing of a killed run was left beside the engine\n", b.slowest.Round(time.Millisecond))
		s.missed = append(s.missed, b.missed...)
	}()
	for round := 0; b.total() < s.kills; round++ {
		if err := b.round(ctx, round); err != nil {
			return err
		}
		fmt.Printf("    %s: %d of %d hits\n", time.Now().Format(time.TimeOnly), b.total(), s.kills)
	}
	return nil
}

// backing is a project whose backups and restores are hit.
type backing struct {
	*hitting
	file    string
	quiet   bool     // the services are stopped, so that nothing changes but by tale
	stopped []string // by the last quiet round
	slowest time.Duration
	made    int // containers anew, which the engine had lost
	// givenUp and finished are restores that --discard-old has ended.
	givenUp, finished int
	// server is the container of the databases, and services are those of the project.
	server   string
	services []string
	key      *age.X25519Identity // that backups are encrypted for, or nil
}

func (b *backing) round(ctx context.Context, round int) error {
	b.quiet = round%2 == 1
	if err := b.silence(ctx); err != nil {
		return err
	}
	old, err := b.scribble(ctx)
	if err != nil {
		return err
	}
	args := append([]string{"backup", "--json", b.file}, b.sealed()...)
	if round%3 == 2 && !b.quiet {
		target, err := b.next(ctx)
		if err != nil {
			return err
		}
		args = []string{"deploy", "--yes", "--json", "--snapshot", "--version", target}
	}
	if err := b.takeUnderFire(ctx, round, old, args); err != nil {
		return err
	}
	fresh, err := b.scribble(ctx)
	if err != nil {
		return err
	}
	now, err := b.restoreUnderFire(ctx, round, old, fresh)
	if err != nil {
		return err
	}
	return b.discardUnderFire(ctx, round, now)
}

// takeUnderFire hits backups, and lets a last one be taken: all of them leave what is
// backed up as it is, and no file that is not whole.
func (b *backing) takeUnderFire(ctx context.Context, round int, old data, args []string) error {
	snapshots := args[0] == "deploy"
	if err := os.RemoveAll(b.file); err != nil {
		return err
	}
	for range 1 + b.chance.IntN(mostHits/2) { // they take longer, and restores have more to lose
		before, err := containers(ctx, b.id)
		if err != nil {
			return err
		}
		a := b.aim(lastBackup, "backup-read")
		r, struck, err := b.fire(ctx, round, a, args)
		if err != nil {
			return err
		}
		if !struck {
			break
		}
		if soft(a.kind) && r.code() != exit.Interrupted {
			b.trouble(round, "%s: it ends with %d:\n%s", a.kind, r.code(), r.text())
		}
		if !snapshots {
			b.asBefore(ctx, round, a, before)
		}
		b.noneHalf(round)
	}
	b.reruns++
	r, code := b.do(ctx, args...)
	if code != 0 {
		b.trouble(round, "%v ends with %d:\n%s%s", args, code, r.text(), b.found(ctx))
		return errors.Join(ctx.Err(), errors.New("there is no backup to go on with"))
	}
	if snapshots {
		taken, err := filepath.Glob(filepath.Join(b.dir, ".tale/snapshots/*.tar"))
		if err != nil || len(taken) == 0 {
			b.trouble(round, "%v: there is no snapshot: %v\n%s", args, err, r.text())
			return errors.New("there is no snapshot to go on with")
		}
		slices.Sort(taken)
		if err := os.Rename(taken[len(taken)-1], b.file); err != nil {
			return err
		}
		_ = os.RemoveAll(filepath.Join(b.dir, ".tale/snapshots"))
	}
	if err := b.verify(b.file); err != nil {
		b.trouble(round, "%s is not whole: %v", b.file, err)
	}
	return b.expect(ctx, round, "backed up", old)
}

func soft(kind string) bool { return kind == interrupted || kind == terminated }

// fire starts a run and hits it, and waits until all that it has begun beside the engine
// has ended, and what it held goes on.
func (b *backing) fire(ctx context.Context, round int, a aim, args []string) (*run, bool, error) {
	r, err := b.start(ctx, args...)
	if err != nil {
		return nil, false, err
	}
	struck, err := b.strike(ctx, r, a)
	code, ended := r.code(), time.Now()
	if err = errors.Join(err, ctx.Err()); err != nil {
		return r, struck, err
	}
	switch {
	case struck || code == 0:
	case b.lost(ctx, r):
		code = 0
	case b.restarted(ctx, r):
		_, code = b.do(ctx, args...)
	}
	if !struck && code != 0 {
		b.trouble(round, "%v was not hit and ends with %d:\n%s", args, code, r.text())
	}
	left := ""
	if !eventually(ctx, freed, func() bool { left = b.left(ctx); return left == "" }) {
		b.trouble(round, "%s (%s after helper %q) of %s: after %s there is %s", a.kind, a.after, a.verb, args[0], freed, left)
	}
	b.slowest = max(b.slowest, time.Since(ended))
	return r, struck || code != 0, nil
}

// lost reports whether a restore is done but for a container that the engine has lost as it
// was killed, and a deploy has made that anew, as it says.
func (b *backing) lost(ctx context.Context, r *run) bool {
	if r.code() != exit.Degraded || !strings.Contains(r.text(), "`tale deploy` makes it anew") {
		return false
	}
	_, code := b.do(ctx, "deploy", "--yes")
	b.made++
	return code == 0
}

// left returns what a run has left that still goes on, or is held.
func (b *backing) left(ctx context.Context) string {
	out, err := docker(ctx, "ps", "--format", `{{.Image}} {{.Names}} {{.Mounts}} {{.Labels}}`, "--no-trunc")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(out) {
		lent := strings.HasPrefix(line, databaseImage+" ") && !strings.Contains(line, " "+b.server+" ")
		if lent || strings.HasPrefix(line, "tale-helper:") && strings.Contains(line, b.id) {
			return "the helper " + line
		}
	}
	all, err := containers(ctx, b.id)
	for _, c := range all {
		if held := tracedIn(c.ID); len(held) > 0 {
			return fmt.Sprintf("%s with %v held", c.Name, held)
		}
		if c.State.Status == "paused" {
			return c.Name + " paused"
		}
	}
	if err != nil {
		return err.Error()
	}
	sessions, err := b.sql(ctx, "postgres", "SELECT application_name || '/' || datname FROM pg_stat_activity WHERE application_name IN ('psql', 'pg_dump', 'pg_restore')")
	if err != nil {
		return err.Error()
	}
	return strings.Join(sessions, " ")
}

// asBefore checks that the services go on as if nothing had been.
func (b *backing) asBefore(ctx context.Context, round int, a aim, before map[string]container) {
	for name, was := range before {
		var now container
		same := func() bool {
			all, err := containers(ctx, b.id)
			now = all[name]
			return err == nil && now.State.Status == was.State.Status
		}
		if !eventually(ctx, freed, same) || a.kind != noEngine && now.State.StartedAt != was.State.StartedAt {
			b.trouble(round, "%s: %s was %+v and is %+v", a.kind, name, was.State, now.State)
		}
	}
}

// noneHalf checks that there is no file under the name of a backup that is none.
func (b *backing) noneHalf(round int) {
	for _, pattern := range []string{"*.tar", ".tale/snapshots/*.tar"} {
		files, _ := filepath.Glob(filepath.Join(b.dir, pattern))
		for _, file := range files {
			if err := b.verify(file); err != nil {
				b.trouble(round, "%s is not whole: %v", file, err)
			}
		}
	}
}

func (b *backing) verify(file string) error {
	source, err := backup.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	if source.Sealed {
		if err := source.Unlock("", strings.NewReader(b.key.String())); err != nil {
			return err
		}
	}
	_, err = source.Verify()
	return err
}
