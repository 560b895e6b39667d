package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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
	if err := Unfinished(ctx, s); err != nil {
		return m, err
	}
	m = backup.Manifest{
		Project: s.Project.File.ID, Tale: version.String(), Release: s.Release("").Version, Images: map[string]string{},
		Secret: backup.NewFingerprint(s.Settings.Get("INSTANCE_SECRET")),
	}
	for _, service := range s.Project.Services() {
		if c, there := state.Current(service.Name); there {
			m.Images[service.Name] = c.ImageID
		}
	}
	told := &stages{out: out}
	t := backup.Take{Engine: s.Engine, Server: server, Manifest: m, Path: path, Recipients: recipients, Moves: told.moves}
	convex, there := state.Current(stack.Convex)
	if there {
		t.Manifest.Release = cmp.Or(convex.Version, m.Release)
		if convex.State.Running {
			t.Convex = convex.ID
		}
		if convex.State.Restarting || convex.State.Paused() {
			return m, exit.Errorf(exit.Temporary, "convex is %s, so that there is no moment to copy: look at `tale status`", convex.State.Status)
		}
	}
	if volume := dataVolume(s.Project); !noFiles && slices.Contains(state.Volumes, volume) {
		t.Volume = volume
	} else if !noFiles {
		return m, exit.Errorf(exit.Config, "there is no volume %s to back up: `tale deploy` makes it", volume)
	}
	if t.Files, err = projectFiles(s, len(recipients) > 0); err != nil {
		return m, err
	}
	removePartial(s, filepath.Dir(path))
	if m, err = t.Run(ctx); err == nil {
		told.end()
		if text := leftOut(s, state, m); text != "" {
			out.Say(text)
		}
	}
	return m, err
}

// removePartial removes what killed backups have left in a folder under names that have
// a time, which no later one would take. Another project's id may begin as this one's.
func removePartial(s *session.Session, folder string) {
	named := regexp.MustCompile("^" + regexp.QuoteMeta(s.Project.File.ID) + `-\d{8}T\d{6}Z`)
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		name := entry.Name()
		ours := named.MatchString(name) || folder == s.Project.Path(snapshots)
		if ours && strings.HasSuffix(name, backup.Partial) {
			_ = os.Remove(filepath.Join(folder, name)) // it costs room, and nothing else
		}
	}
}

// projectFiles returns what of the project's folder belongs to a backup.
func projectFiles(s *session.Session, secrets bool) (map[string][]byte, error) {
	names := []string{project.FileName, "compose.override.yml", "compose.override.yaml"}
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

// stages tells how far something is, stage by stage.
type stages struct {
	out   *console.Progress
	name  string // of the present one, "" between two
	began time.Time
}

func (s *stages) moves(name string, bytes int64) {
	if name != s.name {
		s.end()
		s.name, s.began = name, time.Now()
		s.tell(rollout.Event{Kind: rollout.Began})
	}
	s.tell(rollout.Event{Kind: rollout.Progress, Current: bytes})
}

// end ends the present stage.
func (s *stages) end() {
	if s.name != "" {
		s.tell(rollout.Event{Kind: rollout.Ended, Seconds: time.Since(s.began).Seconds()})
	}
	s.name = ""
}

func (s *stages) tell(e rollout.Event) {
	e.Time, e.Stage = time.Now(), s.name
	s.out.Event(e)
}
