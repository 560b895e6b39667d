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
// begins there are the data of before, and in the end those of the backup, which it returns:
// or those of before, where a restore that was hit has lost its file.
func (b *backing) restoreUnderFire(ctx context.Context, round int, old, fresh data) (now data, err error) {
	sum, err := sumOf(b.file)
	if err != nil {
		return now, err
	}
	before, err := containers(ctx, b.id)
	if err != nil {
		return now, err
	}
	args := append([]string{"restore", "--json", b.file, "--project-name", b.id}, b.unsealed()...)
	done, err := b.hitRestores(ctx, round, args, old, fresh)
	if err != nil {
		return now, err
	}
	now = old
	switch given := !done && b.begun() && b.chance.IntN(4) > 0; {
	case given:
		now, err = b.withoutFile(ctx, round, old, fresh)
	case !done:
		b.reruns++
		if r, code := b.do(ctx, append(args, "--wait")...); code != 0 && !b.lost(ctx, r) {
			b.trouble(round, "%v ends with %d:\n%s", args, code, r.text())
			err = errors.Join(ctx.Err(), errors.New("there are no restored data to go on with"))
		}
	}
	if err != nil {
		return now, err
	}
	if is, err := sumOf(b.file); err != nil || is != sum {
		b.trouble(round, "the backup has changed: %v", err)
	}
	if b.quiet {
		b.asBefore(ctx, round, aim{kind: noEngine}, before)
	} else if !eventually(ctx, freed, func() bool { return b.runs(ctx) }) {
		b.trouble(round, "restored, and not all services run")
	}
	err = b.expect(ctx, round, "restored", now)
	if len(now.differs(fresh)) > 0 {
		err = errors.Join(err, b.kept(ctx, round, fresh))
	}
	return now, err
}

// hitRestores hits restores, and reports whether the last one has put all in its place.
func (b *backing) hitRestores(ctx context.Context, round int, args []string, old, fresh data) (done bool, err error) {
	for range 1 + b.chance.IntN(mostHits) {
		noted, a := b.begun(), b.aimAtRestore()
		r, struck, err := b.fire(ctx, round, a, args)
		if err != nil || !struck {
			return true, err
		}
		done, err = b.over(ctx, r, old)
		if !done && err == nil {
			err = b.between(ctx, round, r, a, noted, fresh)
		}
		if err != nil || done || b.begun() && b.chance.IntN(2) == 0 {
			return done, err
		}
	}
	return false, nil
}

// over reports whether a restore that was hit had put all in its place: only the services may
// wait for a deploy.
func (b *backing) over(ctx context.Context, r *run, old data) (bool, error) {
	noted, restored := b.noted()
	if restored && !b.quiet {
		_, err := b.must(ctx, "deploy", "--yes")
		return true, err
	}
	if noted || !strings.Contains(r.text(), "swapping") {
		return restored, nil
	}
	now, err := b.data(ctx)
	return len(now.differs(old)) == 0, err
}

// aimAtRestore takes an aim, most of them from when what is stopped is noted: that is a short part
// of the whole, and what is not killed in it comes to its end.
func (b *backing) aimAtRestore() aim {
	a := b.aim(lastRestore, "backup-unpack", "backup-unpack", "backup-swap", "backup-swap", "backup-look", "backup-drop")
	if b.chance.IntN(3) == 0 {
		return a
	}
	if a.kind == noHelper || a.kind == both || a.kind != noEngine && b.chance.IntN(2) == 0 {
		a.kind = killed
	}
	latest := lastNoted
	if b.quiet { // nothing is stopped or started
		latest /= 8
	}
	return aim{kind: a.kind, sign: b.begun, after: b.moment(latest)}
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
