package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// withoutFile lets a restore that was hit end without its file, and hits that, too. It returns
// the data that there are then: all those of before, or all those of the backup.
func (b *backing) withoutFile(ctx context.Context, round int, old, fresh data) (now data, err error) {
	lost := b.file + ".lost"
	if err := os.Rename(b.file, lost); err != nil {
		return now, err
	}
	defer func() { err = errors.Join(err, os.Rename(lost, b.file)) }()
	args := []string{"restore", "--json", "--discard-old", "--yes"}
	if b.chance.IntN(2) == 0 {
		if _, _, err := b.fire(ctx, round, b.aim(lastBackup, "backup-look", "backup-drop", "backup-swap"), args); err != nil {
			return now, err
		}
	}
	marked, err := b.marked(ctx)
	switch _, restored := b.noted(); {
	case err != nil:
		return now, err
	case restored && b.quiet: // nothing waits
		b.finished++
		return old, nil
	case restored: // only the services wait
		if _, err := b.must(ctx, "deploy", "--yes"); err != nil {
			return now, err
		}
	case marked || b.begun():
		b.reruns++
		if r, code := b.do(ctx, append(args, "--wait")...); code != 0 && !b.lost(ctx, r) {
			b.trouble(round, "%v of a restore without its file ends with %d:\n%s", args, code, r.text())
			return now, errors.Join(ctx.Err(), fmt.Errorf("%s is not ended", lost))
		}
	}
	b.forgotten(ctx, round)
	is, err := b.data(ctx)
	names, wrong := b.databases(ctx)
	if err = errors.Join(err, wrong); err != nil {
		return now, err
	}
	if len(is.differs(old)) == 0 {
		b.finished++
		return old, nil
	}
	b.givenUp++
	if len(names) != len(fresh.databases) {
		b.trouble(round, "given up, and there are the databases %v", names)
	}
	return fresh, nil // which is looked at
}

// marked reports whether the engine tells of a restore that is under way.
func (b *backing) marked(ctx context.Context) (bool, error) {
	out, err := docker(ctx, "volume", "ls", "-q", "--filter", "name=^"+b.id+"_restoring$")
	return strings.TrimSpace(out) != "", err
}

// forgotten checks that nothing tells of a restore any more.
func (b *backing) forgotten(ctx context.Context, round int) {
	marked, err := b.marked(ctx)
	noted, _ := b.noted()
	if err != nil || marked || noted {
		b.trouble(round, "a restore that has ended is told of by the engine (%v, %v) or noted (%v)", marked, err, noted)
	}
}

// discardUnderFire hits what removes the data of before, which leaves nothing in the end.
func (b *backing) discardUnderFire(ctx context.Context, round int, old data) error {
	args := []string{"restore", "--json", "--discard-old", "--yes"}
	if _, struck, err := b.fire(ctx, round, b.aim(lastBackup/2, "backup-drop"), args); err != nil {
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
	if left, _ := filepath.Glob(filepath.Join(b.dir, "*.partial")); len(left) > 0 {
		b.trouble(round, "left are %v", left)
	}
	b.forgotten(ctx, round)
	folder, err := b.folder(ctx)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(folder, hidden)); err == nil {
		b.trouble(round, "%s is left in the volume", hidden)
	}
	return b.expect(ctx, round, "in the end", old)
}
