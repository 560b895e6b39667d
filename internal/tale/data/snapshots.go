package data

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/tidy"
)

// snapshots is the folder in .tale of what deploy --snapshot has backed up.
const snapshots = "snapshots"

// snapshot is a file that the history names, with the data of a release.
type snapshot struct {
	tidy.Snapshot
	of string
}

// keptSnapshots returns those that are there, the last one first. The history says which
// that is, and no clock.
func keptSnapshots(p *project.Project, entries []project.Entry) (kept []snapshot) {
	for _, e := range slices.Backward(entries) {
		path := p.Path(snapshots, filepath.Base(e.Snapshot)) // wherever the folder was then
		if info, gone := os.Stat(path); e.Snapshot != "" && gone == nil {
			kept = append(kept, snapshot{tidy.Snapshot{Path: path, Bytes: info.Size()}, e.From})
		}
	}
	return kept
}

// SnapshotOf returns the last one with the data of a release, "" if there is none.
func SnapshotOf(p *project.Project, release string) (path string, err error) {
	entries, err := p.History()
	for _, kept := range keptSnapshots(p, entries) {
		if kept.of == release {
			return kept.Path, err
		}
	}
	return "", err
}

// OldSnapshots returns those that may go: neither the last few, nor the last that has the
// data of a release whose images are kept, which is the way back to it; and what is not
// whole, of runs that were killed.
func OldSnapshots(s *session.Session, releases, keep int) (old []tidy.Snapshot, err error) {
	entries, err := s.Project.History()
	wanted := session.KeptReleases(project.Releases(entries), releases)
	for i, kept := range keptSnapshots(s.Project, entries) {
		if i >= keep && !wanted[kept.of] {
			old = append(old, kept.Snapshot)
		}
		delete(wanted, kept.of)
	}
	killed, _ := filepath.Glob(s.Project.Path(snapshots, "*"+backup.Partial)) // the pattern is well formed
	for _, path := range killed {
		if info, gone := os.Stat(path); gone == nil {
			old = append(old, tidy.Snapshot{Path: path, Bytes: info.Size()})
		}
	}
	return old, err
}

// TakeSnapshot backs the data up, if there are any, into a file of which note is told first.
func TakeSnapshot(ctx context.Context, s *session.Session, state rollout.State, out *console.Progress, note func(path string) error) (path string, err error) {
	convex, there := state.Current(stack.Convex)
	if !there {
		out.Say("there are no data yet to take a snapshot of")
		return "", nil
	}
	if err := s.Project.MakeFolder(snapshots); err != nil {
		return "", err
	}
	began := time.Now()
	path = dated(s.Project.Path(snapshots)+string(filepath.Separator), "-"+cmp.Or(convex.Version, "unknown")+".tar", began)
	if err := note(path); err != nil {
		return "", err
	}
	m, err := takeBackup(ctx, s, path, nil, false, out)
	if err == nil {
		err = s.Project.Give(path)
	}
	if err != nil {
		return "", session.Interrupted(ctx, err)
	}
	out.Say("snapshot " + described(path, m, time.Since(began)))
	return path, nil
}
