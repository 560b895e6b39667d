package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// restoringNote is what a killed restore leaves in .tale.
type restoringNote struct {
	File    string   `json:"file"`
	Run     string   `json:"run"`
	Stopped []string `json:"stopped"` // ids of containers
}

const restoringName = "restoring.json"

// Unfinished refuses to start services on data of two moments.
func Unfinished(p *project.Project) error {
	note, there, err := restoringOf(p)
	if err != nil || !there {
		return err
	}
	return exit.Errorf(exit.Config, "a restore was killed, so that databases and files may be of two moments: `%s` finishes it", console.Quoted("tale restore", note.File))
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
