package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// restoringNote is what a killed restore leaves in .tale.
type restoringNote struct {
	File    string   `json:"file"`
	Run     string   `json:"run"`
	Stopped []string `json:"stopped"` // ids of containers
	// Restored says that the data are of one moment: only some of what was stopped is not started.
	Restored bool `json:"restored,omitempty"`
}

const restoringName = "restoring.json"

// Unfinished refuses to go on with data of two moments. A note whose data are gone, or that is
// only about what could not be started, is for what goes on to forget.
func Unfinished(ctx context.Context, s *session.Session) error {
	note, there, err := restoringOf(s.Project)
	if err != nil || !there {
		return err
	}
	_, hasData, err := s.Engine.Volume(ctx, dataVolume(s.Project))
	switch {
	case err != nil:
		return err
	case note.Restored || !hasData:
		return forget(s.Project)
	}
	return exit.Errorf(exit.Config, "a restore was killed, so that databases and files may be of two moments: `%s` finishes it", console.Quoted("tale restore", note.File))
}

// dataVolume returns the volume that a backup has the files of.
func dataVolume(p *project.Project) string { return p.File.ID + "_" + stack.ConvexData }

// startDatabase says how a database that does not run is started: a deploy does not while a restore is
// not finished, which needs it.
func startDatabase(p *project.Project) string {
	if _, there, err := restoringOf(p); err == nil && !there {
		return "`tale deploy` starts it"
	}
	return "`" + console.Quoted("docker compose", "-p", p.File.ID, "-f", p.Path("compose", p.File.ID+".yml"), "up", "-d", stack.DB) + "` starts it"
}

// restoringOf returns the note of a restore that is under way. One that cannot be read is
// not none: it may be of another user.
func restoringOf(p *project.Project) (note restoringNote, there bool, err error) {
	path := p.Path(restoringName)
	text, err := project.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return note, false, nil
	case err != nil:
		return note, false, fmt.Errorf("whether a restore was killed is not known: %w", err)
	case json.Unmarshal(text, &note) != nil:
		return note, false, exit.Errorf(exit.Config, "whether a restore was killed is not known: %s is not what one has written; remove it if none was, so that databases and files are of one moment", path)
	}
	return note, true, nil
}

// forget removes the note of what is under way.
func forget(p *project.Project) error {
	if err := os.Remove(p.Path(restoringName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// write notes what is under way.
func (n restoringNote) write(p *project.Project) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return p.Write(text, restoringName)
}
