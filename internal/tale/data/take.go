package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// takeBackup takes one of what runs.
func takeBackup(ctx context.Context, s *session.Session, path string, recipients []age.Recipient, noFiles bool, out *console.Progress) (m backup.Manifest, err error) {
	state, err := s.Observed(ctx)
	if err != nil {
		return m, err
	}
	server, release, err := postgres(ctx, s, state)
	if err != nil {
		return m, err
	}
	defer release()
	m = backup.Manifest{
		Project: s.Project.File.ID, Tale: version.String(), Release: s.Release("").Version, Images: map[string]string{},
		Secret: backup.NewFingerprint(s.Settings.Get("INSTANCE_SECRET")),
	}
	for _, service := range s.Project.Services() {
		if c, there := state.Current(service.Name); there {
			m.Images[service.Name] = c.ImageID
		}
	}
	t := backup.Take{Engine: s.Engine, Server: server, Manifest: m, Path: path, Recipients: recipients, Moves: moves(out)}
	convex, there := state.Current(stack.Convex)
	if there {
		t.Manifest.Release = cmp.Or(convex.Version, m.Release)
		if convex.State.Running {
			t.Convex = convex.ID
		}
		if convex.State.Restarting || convex.State.Status == "paused" {
			return m, exit.Errorf(exit.Temporary, "convex is %s, so that there is no moment to copy: look at `tale status`", convex.State.Status)
		}
	}
	if volume := s.Project.File.ID + "_" + stack.ConvexData; !noFiles && slices.Contains(state.Volumes, volume) {
		t.Volume = volume
	} else if !noFiles {
		return m, exit.Errorf(exit.Config, "there is no volume %s to back up: `tale deploy` makes it", volume)
	}
	if t.Files, err = projectFiles(s, len(recipients) > 0); err != nil {
		return m, err
	}
	removePartial(s, filepath.Dir(path))
	if m, err = t.Run(ctx); err == nil {
		if text := leftOut(s, state); text != "" {
			out.Say(text)
		}
	}
	return m, err
}

// removePartial removes what killed backups have left in a folder under names that have
// a time, which no later one would take.
func removePartial(s *session.Session, folder string) {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		name := entry.Name()
		ours := strings.HasPrefix(name, s.Project.File.ID+"-") || folder == s.Project.Path(snapshots)
		if ours && strings.HasSuffix(name, backup.Partial) {
			_ = os.Remove(filepath.Join(folder, name)) // it costs room, and nothing else
		}
	}
}

// projectFiles returns what of the project's folder belongs to a backup.
func projectFiles(s *session.Session, secrets bool) (map[string][]byte, error) {
	names := []string{project.FileName, "compose.override.yml"}
	if secrets {
		names = append(names, project.EnvName)
	}
	files := map[string][]byte{}
	for _, name := range names {
		text, err := project.ReadFile(filepath.Join(s.Project.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot back up the project's files: %w", err)
		}
		files[name] = text
	}
	return files, nil
}

// moves tells how far something is, stage by stage.
func moves(out *console.Progress) func(stage string, bytes int64) {
	began, last := time.Now(), ""
	return func(stage string, bytes int64) {
		if stage != last && last != "" {
			out.Event(rollout.Event{Time: time.Now(), Kind: rollout.Ended, Stage: last, Seconds: time.Since(began).Seconds()})
		}
		if stage != last {
			began, last = time.Now(), stage
			out.Event(rollout.Event{Time: began, Kind: rollout.Began, Stage: stage})
		}
		out.Event(rollout.Event{Time: time.Now(), Kind: rollout.Progress, Stage: stage, Current: bytes})
	}
}
