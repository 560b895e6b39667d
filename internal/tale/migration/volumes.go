package migration

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/volume"
)

// Content is what is in a volume.
type Content struct {
	Exists, Empty bool
	From          string    // source of the copy that it is, "" if it is none of ours
	Done          time.Time // when that copy was verified, the zero time while it is under way
	Used          bool      // it has been written to since
	Bytes, Files  int64
	Print         uint64 // of all of it
	Copied        uint64 // what that of From was when it was copied
	Free          int64  // bytes that its disk has room for, -1 if that is not known
}

// Volumes looks into volumes and changes them, beside the engine.
type Volumes interface {
	Look(ctx context.Context, name string) (Content, error)
	// Copy copies and verifies. What is there of an earlier copy of the same source is
	// gone on with, or done again if the source has changed since.
	Copy(ctx context.Context, c Copy, labels map[string]string, say func(Event)) error
	// Strays counts what in a volume is not the application user's.
	Strays(ctx context.Context, name string) (int64, error)
	// Own makes everything in a volume the application user's.
	Own(ctx context.Context, name string) error
}

// On returns the volumes of an engine.
func On(e *engine.Engine) Volumes { return volumes{e} }

type volumes struct{ engine *engine.Engine }

func (v volumes) Look(ctx context.Context, name string) (Content, error) {
	state, err := volume.Look(ctx, v.engine, name)
	content := Content{Exists: state.Exists, Empty: state.Empty, Used: state.Used, Bytes: state.Bytes, Files: state.Files, Print: uint64(state.Print), Free: state.Free}
	if state.Mark != nil {
		content.From, content.Done, content.Copied = state.Mark.From, state.Mark.Finished, uint64(state.Mark.Source)
	}
	return content, err
}

func (v volumes) Copy(ctx context.Context, c Copy, labels map[string]string, say func(Event)) error {
	owner := volume.Keep
	if c.App {
		owner = volume.App
	}
	report, err := volume.Copy{From: c.From, To: c.To, Owner: owner, Labels: labels}.Run(ctx, v.engine, func(p volume.Progress) {
		text := fmt.Sprintf("%s of %s, %s/s", humanize.Bytes(uint64(p.Done)), humanize.Bytes(uint64(p.Total)), humanize.Bytes(uint64(p.Rate)))
		if p.Left > 0 {
			text += fmt.Sprintf(", %s left", p.Left.Round(time.Second))
		}
		say(Event{Subject: c.To, Text: p.Phase + ": " + text, Passing: true, Current: p.Done, Total: p.Total})
	})
	if err != nil {
		return err
	}
	say(Event{Subject: c.To, Text: copied(c, report)})
	return nil
}

// copied says what a copy has come to, and what it has not.
func copied(c Copy, report volume.Report) string {
	text := fmt.Sprintf("is a copy of %s, verified: %s in %s", c.From, humanize.Bytes(uint64(report.Bytes)), english.Plural(int(report.Files), "file", ""))
	if len(report.Sockets) > 0 {
		text += fmt.Sprintf("; left out are sockets: %v", report.Sockets)
	}
	if left := report.Left.String(); left != "" {
		text += "; left out are " + left
	}
	return text
}

func (v volumes) Strays(ctx context.Context, name string) (strays int64, err error) {
	return v.help(ctx, straysVerb, name, true)
}

func (v volumes) Own(ctx context.Context, name string) error {
	_, err := v.help(ctx, ownVerb, name, false)
	return err
}

func (v volumes) help(ctx context.Context, verb, name string, reading bool) (found int64, err error) {
	const inside = "/volume"
	said := false
	err = v.engine.RunHelper(ctx, engine.HelperOptions{
		Args: []string{verb, inside}, Mounts: []engine.Mount{{Volume: name, Path: inside, ReadOnly: reading}}, Labels: map[string]string{volume.LabelCopy: name},
	}, func(line string) {
		if _, wrong := fmt.Sscan(line, &found); wrong == nil {
			said = true
		}
	})
	if err == nil && !said {
		err = fmt.Errorf("cannot look at the owners in the volume %s: its helper said nothing", name)
	}
	return found, err
}
