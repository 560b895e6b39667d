package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// restoringNote is what a killed restore leaves: in .tale and, as long as the data may be of two
// moments, on the engine that has them, for whoever works in another folder.
type restoringNote struct {
	File    string   `json:"file"`
	Run     string   `json:"run"`
	Stopped []string `json:"stopped"` // ids of containers
	// Roles are those that the server did not have, which the restore makes.
	Roles []string `json:"roles,omitempty"`
	// Made says that the volume of the data was gone, and the restore has made it.
	Made bool `json:"made,omitempty"`
	// Restored says that the data are of one moment: only some of what was stopped is not started.
	Restored bool `json:"restored,omitempty"`
	// At is when that was noted; a container that ran later waits no more.
	At time.Time `json:"at,omitzero"`
	// Server is the address of the databases, where those are not the stack's own.
	Server string `json:"server,omitempty"`
	// Engine is the id of the one that has the data; "" in notes of earlier releases.
	Engine string `json:"engine,omitempty"`
	// Marked says that the engine was told as well, which earlier releases did not do.
	Marked bool `json:"marked,omitempty"`

	mark  string // the volume by which this engine tells it, or ""
	apart bool   // it alone does
}

const (
	restoringName  = "restoring.json"
	labelRestoring = "dev.tale.restoring" // holds the note, on a volume that holds nothing

	discarding = "tale restore --discard-old"
)

// UnfinishedError refuses to go on with data of two moments.
type UnfinishedError struct {
	File      string // of the backup
	Leave     string // what forgets it
	Elsewhere bool   // the data are, or were, on another engine than this one
	Apart     bool   // another folder has begun it, which is perhaps at it
	Needed    bool   // is the file: nothing ends it without
}

func (e *UnfinishedError) Error() string {
	what, there, unless, without := "a restore was killed", "", "", ""
	switch {
	case e.Elsewhere:
		what, there = what+" on another Docker engine", " there"
	case e.Apart:
		what, unless = "a restore from another folder was killed, or is under way", "none is under way and "
	}
	if !e.Needed {
		without = "without that file `" + discarding + "` ends it" + there + "; "
	}
	return fmt.Sprintf("%s, so that databases and files may be of two moments: `%s` finishes it%s; %swhere %snothing is left of those data, %s", what, console.Quoted("tale restore", e.File), there, without, unless, e.Leave)
}

// ExitCode returns exit.Config.
func (e *UnfinishedError) ExitCode() int { return exit.Config }

// Unfinished returns an *UnfinishedError where a restore was killed, and another one where that
// is not known.
func Unfinished(ctx context.Context, s *session.Session) error {
	note, there, err := restoringOf(ctx, s)
	if err != nil || !there || note.Restored {
		return err
	}
	return note.refusal(s)
}

func (n restoringNote) refusal(s *session.Session) *UnfinishedError {
	e := &UnfinishedError{File: n.File, Leave: "remove " + s.Project.Path(restoringName), Elsewhere: n.isElsewhere(s), Apart: n.apart}
	if n.mark != "" {
		e.Leave = "`docker volume rm " + n.mark + "`"
	}
	return e
}

// isElsewhere reports whether the data are on another engine than the session's.
func (n restoringNote) isElsewhere(s *session.Session) bool {
	return n.mark == "" && n.Engine != "" && n.Engine != s.Info.ID
}

// isOver reports whether the data are restored and nothing that was stopped waits to be
// started: that it was made anew, or has run since, is not noted.
func (n restoringNote) isOver(state rollout.State) bool {
	return n.Restored && !slices.ContainsFunc(state.Containers, func(c engine.Container) bool {
		return slices.Contains(n.Stopped, c.ID) && !c.State.Running && (n.At.IsZero() || c.State.Started.Before(n.At))
	})
}

// Started forgets a restore that is not unfinished, once a deploy has started what that could not.
func Started(s *session.Session) error {
	if note, there, err := noteIn(s.Project); err != nil || !there || note.isElsewhere(s) {
		return err
	}
	return s.Project.Remove(restoringName)
}

// Removed forgets a restore of data that are removed.
func Removed(ctx context.Context, s *session.Session) error {
	if note, there, err := restoringOf(ctx, s); err == nil && there && note.isElsewhere(s) {
		return nil
	}
	return forget(ctx, s)
}

// dataVolume returns the volume that a backup has the files of.
func dataVolume(p *project.Project) string { return p.File.ID + "_" + stack.ConvexData }

// startDatabase says how a database that does not run is started, by the name of its container,
// if there is one: a deploy does not while a restore is not finished, which needs it.
func startDatabase(ctx context.Context, s *session.Session, container string) string {
	p := s.Project
	switch {
	case Unfinished(ctx, s) == nil:
		return "`tale deploy` starts it"
	case container != "":
		return "`docker start " + container + "` starts it"
	}
	return "`" + console.Quoted("docker compose", "-p", p.File.ID, "-f", p.Path("compose", p.File.ID+".yml"), "up", "-d", stack.DB) + "` starts it"
}

// markOf returns the volume by which an engine tells that a restore is under way.
func markOf(p *project.Project) string { return p.File.ID + "_restoring" }

// restoringOf returns the note of a restore that is under way. The engine that has the data
// goes before the project's folder: another folder may have begun it, or finished it.
func restoringOf(ctx context.Context, s *session.Session) (note restoringNote, there bool, err error) {
	mark, marked, err := s.Engine.LocalVolume(ctx, markOf(s.Project))
	if err != nil {
		return note, false, fmt.Errorf("whether a restore was killed is not known: %w", err)
	}
	note, there, err = noteIn(s.Project)
	if !marked {
		if there && note.Marked && !note.Restored && !note.isElsewhere(s) {
			note.Restored, err = isWhole(ctx, s, note.Run)
		}
		return note, there, err
	}
	told := restoringNote{}
	if json.Unmarshal([]byte(mark.Labels[labelRestoring]), &told) != nil {
		return note, false, exit.Errorf(exit.Config, "whether a restore was killed is not known: the volume %s is not what one has made; remove it if none was, so that databases and files are of one moment", mark.Name)
	}
	told.mark, told.apart = mark.Name, err != nil || !there || note.Run != told.Run
	if !told.apart {
		told.Stopped = note.Stopped // what a second run has stopped as well
	}
	return told, true, nil
}

// isWhole reports whether the data do not wait for a run: another folder has finished it, or
// somebody has removed all volumes that nothing uses.
func isWhole(ctx context.Context, s *session.Session, run string) (bool, error) {
	if _, there, err := s.Engine.Volume(ctx, dataVolume(s.Project)); err != nil || !there {
		return false, err
	}
	found, err := backup.Restore{Engine: s.Engine, Volume: dataVolume(s.Project)}.Look(ctx)
	return err == nil && !found.Waits(run), err
}

// noteIn returns the note that the project's folder has. One that cannot be read is not none:
// it may be of another user.
func noteIn(p *project.Project) (note restoringNote, there bool, err error) {
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

// forget removes the note of what is under way, the engine's first: what it does not tell any
// more is over.
func forget(ctx context.Context, s *session.Session) error {
	if err := s.Engine.RemoveVolume(ctx, markOf(s.Project)); err != nil {
		return err
	}
	return s.Project.Remove(restoringName)
}

// begin notes what is under way.
func (n *restoringNote) begin(ctx context.Context, s *session.Session) error {
	n.Engine, n.Marked = s.Info.ID, true
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	labels := engine.Owned(s.Project.File.ID)
	labels[labelRestoring] = string(text)
	if err := s.Engine.CreateVolume(ctx, markOf(s.Project), labels); err != nil {
		return err
	}
	return s.Project.Write(text, restoringName)
}

// restored notes that the data are of one moment, last where all see it: what is killed between
// is finished by the same command, which has only to start what was stopped.
func (n *restoringNote) restored(ctx context.Context, s *session.Session) error {
	n.Restored, n.At, n.Engine = true, time.Now(), s.Info.ID
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := s.Project.Write(text, restoringName); err != nil {
		return err
	}
	return s.Engine.RemoveVolume(ctx, markOf(s.Project))
}
