package deploy

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
)

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestTheNoteOfARunGoesBehindItsResult(t *testing.T) {
	s := taletest.NewShop(t)
	opened, err := s.App.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	p, said := opened.Project, false
	see := writer(func(text []byte) (int, error) {
		said = true
		if _, there := p.Unfinished(); !there {
			t.Errorf("the note is gone before %q is said", text)
		}
		return len(text), nil
	})
	command := &cobra.Command{Use: "deploy"}
	command.SetErr(see)
	command.SetOut(io.Discard)
	d := &deployment{app: &app{s.App}, Session: opened, command: command, out: s.App.Progress(command, true), began: time.Now()}
	entry := session.NewEntry(command, d.began)
	if err := p.Begin(entry); err != nil {
		t.Fatal(err)
	}
	if err := d.done("version 1.1.0 serves", nil); err != nil || !said {
		t.Errorf("%v, said: %v", err, said)
	}
	if _, there := p.Unfinished(); !there {
		t.Error("it goes although the history does not have the run")
	}
	entry.Result = project.Done
	if err := errors.Join(p.Append(entry), d.done("version 1.1.0 serves", nil)); err != nil {
		t.Fatal(err)
	}
	if note, there := p.Unfinished(); there {
		t.Errorf("it is left: %+v", note)
	}
}
