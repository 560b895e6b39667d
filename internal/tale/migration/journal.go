package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// journalName returns the file of what a run has changed, as long as it can be taken back. It
// stays of a run that is killed, and the next one of the same stack goes by it.
func (s Subject) journalName() string {
	if s.Development {
		return "migrating-dev.json"
	}
	return "migrating.json"
}

// journal is what a run has changed. Each is noted before it is done.
type journal struct {
	Stopped []stopped `json:"stopped"`
	Moved   []Stop    `json:"moved"` // by their names before
	Made    []Copy    `json:"made"`
	// Whole are those of Made that were verified and that nothing had used: what is in them since
	// is of the deploy that is taken back.
	Whole []string `json:"whole,omitempty"`
	// Applied are the migrations that are logged once there is no way back.
	Applied []string `json:"applied"`
	// Adopted are volumes that the operator has said are this project's.
	Adopted []string `json:"adopted,omitempty"`
	// Served are copies that visitors may have written to, and Replaced containers of Moved
	// whose place another one has taken: there is no way back from either.
	Served   []Copy `json:"served,omitempty"`
	Replaced []Stop `json:"replaced,omitempty"`
}

type stopped struct {
	Container string `json:"container"` // id
	Name      string `json:"name"`
	Service   string `json:"service"`
}

// read returns the journal that a killed run has left, an empty one if there is none.
func (s Subject) read() (j journal, err error) {
	text, err := project.ReadFile(s.Project.Path(s.journalName()))
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	if err != nil {
		return j, fmt.Errorf("cannot read what an earlier run has left: %w; without %s it is forgotten, and what it has stopped stays so", err, s.Project.Path(s.journalName()))
	}
	return j, nil
}

// write keeps the journal. What it notes is done afterwards.
func (r *Run) write() error {
	text, err := json.MarshalIndent(r.journal, "", "  ")
	if err == nil {
		err = r.Project.Write(append(text, '\n'), r.journalName())
	}
	if err != nil {
		return fmt.Errorf("cannot note what is about to be migrated: %w", err)
	}
	return nil
}

func (r *Run) forget() error { return r.Project.Remove(r.journalName()) }

// Unfinished reports whether a run was killed before it could forget what it has changed.
func (r *Run) Unfinished() bool {
	_, err := os.Stat(r.Project.Path(r.journalName()))
	return err == nil
}

// resume takes what a killed run has changed for this one's own, unless visitors may have
// written to its copies since: then there is no way back.
func (r *Run) resume(ctx context.Context) (err error) {
	if r.journal, err = r.read(); err != nil || !r.Unfinished() {
		return err
	}
	o, err := Observe(ctx, r.Subject)
	if err != nil {
		return err
	}
	served, err := o.hasServed(ctx, r.journal.Made)
	if served {
		r.journal = journal{
			Served: append(r.journal.Served, r.journal.Made...), Replaced: append(r.journal.Replaced, r.journal.Moved...), Applied: r.journal.Applied,
		}
	}
	for _, c := range r.journal.Made {
		if err == nil && !slices.Contains(r.journal.Whole, c.To) {
			err = r.verified(ctx, o, c)
		}
	}
	return err
}

// verified notes a copy that was finished, when the run was killed before it could.
func (r *Run) verified(ctx context.Context, o *Observation, c Copy) error {
	content, err := o.look(ctx, c.To)
	if err == nil && content.From == c.From && !content.Done.IsZero() && !content.Used {
		r.journal.Whole = append(r.journal.Whole, c.To)
	}
	return err
}

// hasServed reports whether the web application has run on one of the copies, or any
// service where its own is not among them.
func (o *Observation) hasServed(ctx context.Context, copies []Copy) (bool, error) {
	its := slices.ContainsFunc(copies, func(c Copy) bool { return c.To == o.id+"_"+stack.ConvexData })
	for _, c := range copies {
		used, err := o.isUsedBy(ctx, c.To, func(service string) bool { return !its || service == stack.Platform })
		if used || err != nil {
			return used, err
		}
	}
	return false, nil
}
