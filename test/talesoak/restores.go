package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
)

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
	args := append([]string{"restore", "--json", b.file, "--project-name", b.id}, b.unsealed()...)
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
	return err == nil && !slices.ContainsFunc(b.services, func(service string) bool { return !running[service] })
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
		lent := strings.Contains(line, " "+databaseImage+" ") && !strings.HasPrefix(line, b.server+" ")
		if lent || strings.Contains(line, " tale-helper:") && strings.Contains(line, b.id) {
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
