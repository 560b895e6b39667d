package volume

import (
	"context"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/xattr"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// LabelCopy is a label of helper containers that write: the volume that they write into.
const LabelCopy = "dev.tale.copy"

// Owner says to whom the files of a copy belong.
type Owner string

// Owners of a copy.
const (
	Keep Owner = "keep" // as in the source, file by file
	App  Owner = "app"  // 1001:1001, the user of the images, for everything
)

// Copy copies all of one volume into another.
type Copy struct {
	From, To string
	Owner    Owner             // "" is Keep
	Labels   map[string]string // of To, which is made if it is not there

	batch int // files; 0: batchFiles
}

// Phases of a copy, in order.
const (
	Waiting  = "wait"  // for the helper of a tale that has just ended
	Counting = "count" // what there is to copy
	Copying  = "copy"  // and reading back
	Checking = "check" // both sides, once more and as a whole
)

// Progress says where a copy is. It comes at least every second.
type Progress struct {
	Phase       string
	Done, Total int64 // bytes; those that are read back and right are done
	Files       int64 // that are done
	AllFiles    int64
	Rate        int64         // bytes a second, of late
	Left        time.Duration // 0: not known
}

// Report says what a copy has come to.
type Report struct {
	Files, Folders, Links int64 // links are symbolic
	Bytes                 int64 // of the files' content, holes not counted
	Took                  time.Duration
	Already               bool     // it had been finished before; nothing was done
	Resumed               bool     // an unfinished copy was gone on with
	Kept                  int64    // files of that one that did not need to be copied again
	Again                 bool     // the source had changed since it was copied, and the copy had not been used
	Sockets               []string // of the source: not copied, their services make them (at most 100)
	Special               []string // fifos and device nodes, made anew (at most 100)
	Left                  xattr.Left
}

// Run copies, or goes on copying, or finds that all is copied. It can be called again
// after any failure and any kill, and is to be called as long as nothing says elsewhere
// that the copy is in use: a finished copy whose source has changed since is made again,
// unless it has changed itself, which only people can decide about (exit code 78).
//
// It refuses while containers write into either volume (75), and a target that holds
// something else (78).
func (c Copy) Run(ctx context.Context, e *engine.Engine, say func(Progress)) (Report, error) {
	if c.Owner == "" {
		c.Owner = Keep
	}
	if say == nil {
		say = func(Progress) {}
	}
	if c.From == c.To {
		return Report{}, exit.Errorf(exit.Usage, "cannot copy the volume %s into itself", c.From)
	}
	if err := c.prepare(ctx, e, say); err != nil {
		return Report{}, err
	}
	var report Report
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go c.guard(ctx, e, cancel)
	err := run(ctx, e, engine.HelperOptions{
		Args:   []string{copyVerb, c.From, c.To, string(c.Owner)},
		Mounts: []engine.Mount{{Volume: c.From, Path: fromFolder, ReadOnly: true}, {Volume: c.To, Path: toFolder}},
		Labels: map[string]string{LabelCopy: c.To},
	}, func(m message) {
		if m.Progress != nil {
			say(*m.Progress)
		}
		if m.Report != nil {
			report = *m.Report
		}
	})
	return report, err
}

// prepare makes sure that the source is there, the target is, and none of them in use.
func (c Copy) prepare(ctx context.Context, e *engine.Engine, say func(Progress)) error {
	_, found, err := e.Volume(ctx, c.From)
	if err != nil {
		return err
	}
	if !found {
		return exit.Errorf(exit.Config, "cannot copy the volume %s: it is not there; `docker volume ls` lists those that are", c.From)
	}
	if err := c.awaitOthers(ctx, e, say); err != nil {
		return err
	}
	if _, found, err = e.Volume(ctx, c.To); err != nil || found {
		return err
	}
	return e.CreateVolume(ctx, c.To, c.Labels)
}
