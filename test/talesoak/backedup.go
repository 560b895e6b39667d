package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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
	out, err := docker(ctx, "exec", "-e", "PGAPPNAME="+prefix, b.server, "psql", "-U", "tale", "-XqAt", "-d", database, "-c", statement)
	return strings.Fields(out), err
}

// databases returns those that there are, but for the server's own and that of its user.
func (b *backing) databases(ctx context.Context) ([]string, error) {
	return b.sql(ctx, "postgres", "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname NOT IN ('postgres', 'tale') ORDER BY 1")
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
	out, err := docker(ctx, "exec", "-e", "PGAPPNAME="+prefix, b.server, "pg_dump", "-U", "tale", "--no-owner", database)
	sum := sha256.New()
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) { // by chance
			_, _ = sum.Write([]byte(line))
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}

// expect compares what there is with what has to be.
func (b *backing) expect(ctx context.Context, round int, what string, wanted data) error {
	now, err := b.data(ctx)
	b.wrong(round, what, now.differs(wanted))
	return err
}
