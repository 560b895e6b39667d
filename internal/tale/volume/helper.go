package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

const (
	copyVerb = "copy" // FROM TO OWNER: the volumes' names; they are in fromFolder and toFolder
	lookVerb = "look" // NAME: it is in fromFolder

	fromFolder = "/from"
	toFolder   = "/to"
)

// message is a line of what a helper says.
type message struct {
	Progress *Progress `json:",omitempty"`
	Report   *Report   `json:",omitempty"`
	State    *State    `json:",omitempty"`
	Error    string    `json:",omitempty"` // in whole sentences; the exit code says its kind
}

// run runs a helper of this package to its end. A helper that ends without a last word is
// an error.
func run(ctx context.Context, e *engine.Engine, o engine.HelperOptions, say func(message)) error {
	var last message
	var garbled error
	err := e.RunHelper(ctx, o, func(line string) {
		last = message{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			garbled = fmt.Errorf("the helper %s says %q: %w", o.Args[0], line, err)
		}
		say(last)
	})
	ended, is := errors.AsType[*engine.EndedError](err)
	switch {
	case ctx.Err() != nil && err != nil:
		return context.Cause(ctx)
	case is && ended.Killed():
		return exit.Errorf(exit.Temporary, "the helper %s was killed (exit code %d), as by hand or for its memory: run the same command again, which goes on where it was", strings.Join(o.Args, " "), ended.Code)
	case err != nil && last.Error != "":
		return exit.Errorf(exit.Code(err), "%s", last.Error)
	case err != nil:
		return err
	case garbled != nil:
		return garbled
	case last.Report == nil && last.State == nil:
		return fmt.Errorf("the helper %s ended without a word", o.Args[0])
	}
	return nil
}

// Helps reports whether Helper does what the arguments of `tale helper` ask for.
func Helps(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{copyVerb, lookVerb}, args[0])
}

// Helper does the work of `tale helper` in a container that engine.RunHelper has begun,
// in whose root folder the volumes are.
func Helper(ctx context.Context, root string, args []string, in io.Reader, out io.Writer) error {
	ctx, cancel := engine.Attended(ctx, in)
	defer cancel(nil)
	say := json.NewEncoder(out)
	err := help(ctx, root, args, func(m message) { _ = say.Encode(m) }) // tale is gone: the context says so
	if err != nil {
		_ = say.Encode(message{Error: err.Error()})
	}
	return err
}
