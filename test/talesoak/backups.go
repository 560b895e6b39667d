package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
	text := fmt.Sprintf(`{"version": 1, "id": %q, "services": ["%s"], "images": {"db": %q, "platform": "%s/tale-platform"}}`, p.id, strings.Join(services, `","`), databaseImage, prefix)
	settings, err := os.ReadFile(filepath.Join(p.dir, ".env"))
	err = errors.Join(err, os.WriteFile(filepath.Join(p.dir, "tale.json"), []byte(text), 0o600),
		os.WriteFile(filepath.Join(p.dir, ".env"), append(settings, "SHUTDOWN_DRAIN_SECONDS=1\nCONVEX_ALLOW_DOWNGRADE=true\n"...), 0o600))
	if err != nil {
		return err
	}
	if _, err := p.must(ctx, "deploy", "--yes"); err != nil {
		return err
	}
	b := &backing{hitting: p.hitting(2), file: filepath.Join(p.dir, "b.tar")}
	defer func() {
		b.conclude("backups and restores")
		fmt.Printf("  %d containers that the engine had lost were made anew by a deploy\n", b.made)
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
}

// data are what is backed up.
type data struct {
	files     things
	databases map[string]string // sums of dumps
}

func (d data) differs(wanted data) []string {
	list := d.files.differs(wanted.files)
	for _, name := range slices.Sorted(maps.Keys(wanted.databases)) {
		if d.databases[name] != wanted.databases[name] {
			list = append(list, fmt.Sprintf("the database %s is %.12q, not %.12q", name, d.databases[name], wanted.databases[name]))
		}
	}
	return list
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
	args := []string{"backup", "--json", b.file}
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
	if err := b.restoreUnderFire(ctx, round, old, fresh); err != nil {
		return err
	}
	return b.discardUnderFire(ctx, round, old)
}

// silence stops what uses the data in quiet rounds, and starts it again in the others.
func (b *backing) silence(ctx context.Context) error {
	act, names := "start", b.stopped
	b.stopped = nil
	if b.quiet {
		act = "stop"
		all, err := containers(ctx, b.id)
		if err != nil {
			return err
		}
		for name, c := range all {
			if c.State.Status == "running" && (strings.Contains(name, "-convex") || strings.Contains(name, "-platform-")) {
				b.stopped = append(b.stopped, name)
			}
		}
		names = b.stopped
	}
	for _, name := range names {
		if _, err := docker(ctx, act, name); err != nil {
			return err
		}
	}
	return nil
}

// scribble gives the project other data, and returns them.
func (b *backing) scribble(ctx context.Context) (data, error) {
	folder, err := b.folder(ctx)
	if err != nil {
		return data{}, err
	}
	owner := appOwned
	if b.quiet {
		owner = ""
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(folder, own)), plant(ctx, filepath.Join(folder, own), owner)); err != nil {
		return data{}, err
	}
	for _, database := range []string{"tale_platform", "tale_knowledge"} {
		table := "DROP TABLE IF EXISTS soak; CREATE TABLE soak AS SELECT i, md5(random()::text) || repeat(md5(random()::text), 20) AS text FROM generate_series(1, 3000) i; CREATE UNIQUE INDEX ON soak (i)"
		if _, err := b.sql(ctx, database, table); err != nil {
			return data{}, err
		}
	}
	return b.data(ctx)
}

func (b *backing) folder(ctx context.Context) (string, error) {
	return folderOf(ctx, b.id+"_convex-data")
}

func (b *backing) sql(ctx context.Context, database, statement string) ([]string, error) {
	out, err := docker(ctx, "exec", "-e", "PGAPPNAME="+prefix, b.id+"-db", "psql", "-U", "tale", "-XqAt", "-d", database, "-c", statement)
	return strings.Fields(out), err
}

// databases returns those that there are, but for the server's own.
func (b *backing) databases(ctx context.Context) ([]string, error) {
	return b.sql(ctx, "postgres", "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1")
}

// data returns what there is: while services run, no more than what they do not change.
func (b *backing) data(ctx context.Context) (d data, err error) {
	if d.files, err = thingsOf(ctx, b.id+"_convex-data"); err != nil {
		return d, err
	}
	d.files = b.steady(d.files.below(hidden+"/", false))
	names, err := b.databases(ctx)
	d.databases = map[string]string{}
	for _, name := range names {
		if strings.HasSuffix(name, "_restoring") || strings.Contains(name, "_before_") {
			continue
		}
		sum, wrong := b.dump(ctx, name)
		d.databases[name], err = sum, errors.Join(err, wrong)
	}
	return d, err
}

func (b *backing) steady(files things) things {
	if b.quiet {
		return files
	}
	return files.below(own, true)
}

func (b *backing) dump(ctx context.Context, database string) (string, error) {
	out, err := docker(ctx, "exec", "-e", "PGAPPNAME="+prefix, b.id+"-db", "pg_dump", "-U", "tale", "--no-owner", database)
	sum := sha256.New()
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) { // by chance
			_, _ = sum.Write([]byte(line))
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}

// takeUnderFire hits backups, and lets a last one be taken: all of them leave what is
// backed up as it is, and no file that is not whole.
func (b *backing) takeUnderFire(ctx context.Context, round int, old data, args []string) error {
	snapshots := args[0] == "deploy"
	if err := os.RemoveAll(b.file); err != nil {
		return err
	}
	for range 1 + b.chance.IntN(mostHits) {
		before, err := containers(ctx, b.id)
		if err != nil {
			return err
		}
		r, a, struck, err := b.fire(ctx, round, lastBackup, args, "backup-read")
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
	if err := verify(b.file); err != nil {
		b.trouble(round, "%s is not whole: %v", b.file, err)
	}
	return b.expect(ctx, round, "backed up", old)
}

func soft(kind string) bool { return kind == interrupted || kind == terminated }

// fire starts a run and hits it, and waits until all that it has begun beside the engine
// has ended, and what it held goes on.
func (b *backing) fire(ctx context.Context, round int, latest time.Duration, args []string, verbs ...string) (*run, aim, bool, error) {
	r, err := b.start(ctx, args...)
	if err != nil {
		return nil, aim{}, false, err
	}
	a := b.aim(latest, verbs...)
	struck, err := b.strike(ctx, r, a)
	code, ended := r.code(), time.Now()
	if err = errors.Join(err, ctx.Err()); err != nil {
		return r, a, struck, err
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
	return r, a, struck || code != 0, nil
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
		if strings.HasPrefix(line, "tale-helper:") && strings.Contains(line, b.id) {
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
			if err := verify(file); err != nil {
				b.trouble(round, "%s is not whole: %v", file, err)
			}
		}
	}
}

func verify(file string) error {
	source, err := backup.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	_, err = source.Verify()
	return err
}

// expect compares what there is with what has to be.
func (b *backing) expect(ctx context.Context, round int, what string, wanted data) error {
	now, err := b.data(ctx)
	b.wrong(round, what, now.differs(wanted))
	return err
}

// restoreUnderFire hits restores, and lets a last one come to its end. Until the swap
// begins there are the data of before, and in the end those of the backup.
func (b *backing) restoreUnderFire(ctx context.Context, round int, old, fresh data) error {
	sum, err := sumOf(b.file)
	if err != nil {
		return err
	}
	before, err := containers(ctx, b.id)
	if err != nil {
		return err
	}
	args := []string{"restore", "--json", b.file, "--project-name", b.id}
	done := false
	for range 1 + b.chance.IntN(mostHits) {
		noted := b.begun()
		var r *run
		var a aim
		var struck bool
		r, a, struck, err = b.fire(ctx, round, lastRestore, args, "backup-unpack", "backup-unpack", "backup-swap", "backup-swap", "backup-look", "backup-drop")
		if err != nil {
			return err
		}
		if done = !struck; done {
			break
		}
		if _, done = b.noted(); !done {
			err = b.between(ctx, round, r, a, noted, fresh)
		} else if !b.quiet { // only the services wait
			_, err = b.must(ctx, "deploy", "--yes")
		}
		if err != nil || done {
			break
		}
	}
	if err != nil {
		return err
	}
	if !done {
		b.reruns++
		if r, code := b.do(ctx, append(args, "--wait")...); code != 0 && !b.lost(ctx, r) {
			b.trouble(round, "%v ends with %d:\n%s", args, code, r.text())
			return errors.Join(ctx.Err(), errors.New("there are no restored data to go on with"))
		}
	}
	if now, err := sumOf(b.file); err != nil || now != sum {
		b.trouble(round, "the backup has changed: %v", err)
	}
	if b.quiet {
		b.asBefore(ctx, round, aim{kind: noEngine}, before)
	} else if !eventually(ctx, freed, func() bool { return b.runs(ctx) }) {
		b.trouble(round, "restored, and not all services run")
	}
	return errors.Join(b.expect(ctx, round, "restored", old), b.kept(ctx, round, fresh))
}

// runs reports whether each service has a container that runs; the colour of before is stopped.
func (b *backing) runs(ctx context.Context) bool {
	all, err := containers(ctx, b.id)
	running := map[string]bool{}
	for name, c := range all {
		service, _, _ := strings.Cut(strings.TrimPrefix(name, b.id+"-"), "-")
		running[service] = running[service] || c.State.Status == "running"
	}
	return err == nil && !slices.ContainsFunc(services, func(service string) bool { return !running[service] })
}

// noted returns whether a restore has noted what it stops, and whether it says that the data
// are restored.
func (b *backing) noted() (noted, restored bool) {
	text, err := os.ReadFile(filepath.Join(b.dir, ".tale/restoring.json"))
	note := struct{ Restored bool }{}
	return err == nil, json.Unmarshal(text, &note) == nil && note.Restored
}

func (b *backing) begun() bool {
	noted, restored := b.noted()
	return noted && !restored
}

// between checks what a restore that was hit has left, perhaps after another that had noted
// what it stops.
func (b *backing) between(ctx context.Context, round int, r *run, a aim, noted bool, fresh data) error {
	code := r.code()
	if soft(a.kind) && code != exit.Interrupted && (!b.begun() || code != exit.Stuck) {
		b.trouble(round, "%s: the restore ends with %d:\n%s", a.kind, code, r.text())
	}
	if !b.begun() {
		if code == exit.Stuck {
			b.trouble(round, "%s: stuck, and no note of it:\n%s", a.kind, r.text())
		}
		if strings.Contains(r.text(), "`tale deploy` starts what was stopped") {
			_, _ = b.do(ctx, "deploy", "--yes")
		}
		if !eventually(ctx, freed, func() bool { return b.quiet || b.runs(ctx) }) {
			b.trouble(round, "%s: nothing is noted, and not all services run:\n%s", a.kind, r.text())
		}
		return b.expect(ctx, round, a.kind+" before the swap", fresh)
	}
	if soft(a.kind) && code == exit.Interrupted && !noted {
		b.trouble(round, "%s: it says that nothing was changed, and has left its note:\n%s", a.kind, r.text())
	}
	if b.chance.IntN(4) == 0 {
		if d, code := b.do(ctx, "deploy", "--yes"); code != exit.Config {
			b.trouble(round, "deploy on data of two moments ends with %d:\n%s", code, d.text())
		}
	}
	return nil
}

// kept checks that what a restore has replaced is there.
func (b *backing) kept(ctx context.Context, round int, fresh data) error {
	folder, err := b.folder(ctx)
	if err != nil {
		return err
	}
	files, err := thingsIn(filepath.Join(folder, hidden, "before"))
	if err != nil {
		return err
	}
	b.wrong(round, "kept of before", b.steady(files).differs(fresh.files))
	names, err := b.databases(ctx)
	for database, sum := range fresh.databases {
		i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, database+"_before_") })
		if i < 0 {
			b.trouble(round, "the database %s of before is gone: %v", database, names)
			continue
		}
		if now, wrong := b.dump(ctx, names[i]); wrong != nil || now != sum {
			b.trouble(round, "the database %s is not %s of before: %v", names[i], database, wrong)
		}
	}
	return err
}

// discardUnderFire hits what removes the data of before, which leaves nothing in the end.
func (b *backing) discardUnderFire(ctx context.Context, round int, old data) error {
	args := []string{"restore", "--json", "--discard-old", "--yes"}
	if _, _, struck, err := b.fire(ctx, round, lastBackup/2, args, "backup-drop"); err != nil {
		return err
	} else if struck {
		b.reruns++
		if r, code := b.do(ctx, append(args, "--wait")...); code != 0 {
			b.trouble(round, "%v ends with %d:\n%s", args, code, r.text())
		}
	}
	names, err := b.databases(ctx)
	if err != nil {
		return err
	}
	if len(names) != len(old.databases) {
		b.trouble(round, "there are the databases %v", names)
	}
	out, err := docker(ctx, "ps", "-a", "--format", "{{.Names}} {{.Image}} {{.Mounts}}", "--no-trunc")
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, " tale-helper:") && strings.Contains(line, b.id) {
			b.trouble(round, "a helper is left: %s", line)
		}
	}
	for _, pattern := range []string{"*.partial", ".tale/restoring.json"} {
		if left, _ := filepath.Glob(filepath.Join(b.dir, pattern)); len(left) > 0 {
			b.trouble(round, "left are %v", left)
		}
	}
	folder, err := b.folder(ctx)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(folder, hidden)); err == nil {
		b.trouble(round, "%s is left in the volume", hidden)
	}
	return b.expect(ctx, round, "in the end", old)
}
