package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// restoringNote is what a killed restore leaves in .tale.
type restoringNote struct {
	File    string   `json:"file"`
	Run     string   `json:"run"`
	Stopped []string `json:"stopped"` // ids of containers
	// Restored says that the data are of one moment: only some of what was stopped is not started.
	Restored bool `json:"restored,omitempty"`
	// Engine is the id of the one that has the data; "" in notes of earlier releases.
	Engine string `json:"engine,omitempty"`
}

const restoringName = "restoring.json"

// UnfinishedError refuses to go on with data of two moments.
type UnfinishedError struct {
	File      string // of the backup
	Note      string // path
	Elsewhere bool   // the data are, or were, on another engine than this one
}

func (e *UnfinishedError) Error() string {
	where, there := "", ""
	if e.Elsewhere {
		where, there = " on another Docker engine", " there"
	}
	return fmt.Sprintf("a restore was killed%s, so that databases and files may be of two moments: `%s` finishes it%s; where nothing is left of those data, remove %s", where, console.Quoted("tale restore", e.File), there, e.Note)
}

// ExitCode returns exit.Config.
func (e *UnfinishedError) ExitCode() int { return exit.Config }

// Unfinished returns an *UnfinishedError where a restore was killed, and another one where that
// is not known.
func Unfinished(s *session.Session) error {
	note, there, err := restoringOf(s.Project)
	if err != nil || !there || note.Restored {
		return err
	}
	return note.refusal(s)
}

func (n restoringNote) refusal(s *session.Session) error {
	return &UnfinishedError{File: n.File, Note: s.Project.Path(restoringName), Elsewhere: n.isElsewhere(s)}
}

// isElsewhere reports whether the data are on another engine than the session's.
func (n restoringNote) isElsewhere(s *session.Session) bool {
	return n.Engine != "" && n.Engine != s.Info.ID
}

// isOver reports whether the data are restored and nothing that was stopped waits to be
// started: that it was made anew or started by hand is not noted.
func (n restoringNote) isOver(state rollout.State) bool {
	return n.Restored && !slices.ContainsFunc(state.Containers, func(c engine.Container) bool {
		return slices.Contains(n.Stopped, c.ID) && !c.State.Running
	})
}

// Started forgets what a restore could not start, once a deploy has.
func Started(s *session.Session) error {
	if note, there, err := restoringOf(s.Project); err != nil || !there || !note.Restored || note.isElsewhere(s) {
		return err
	}
	return forget(s.Project)
}

// Removed forgets a restore of data that are removed.
func Removed(s *session.Session) error {
	if note, there, err := restoringOf(s.Project); err == nil && there && note.isElsewhere(s) {
		return nil
	}
	return forget(s.Project)
}

// dataVolume returns the volume that a backup has the files of.
func dataVolume(p *project.Project) string { return p.File.ID + "_" + stack.ConvexData }

// startDatabase says how a database that does not run is started: a deploy does not while a restore is
// not finished, which needs it.
func startDatabase(s *session.Session) string {
	if Unfinished(s) == nil {
		return "`tale deploy` starts it"
	}
	p := s.Project
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
