package backup

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/xattr"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

const (
	// Verbs of `tale helper`.
	readVerb   = "backup-read"   // PROCESSES: still or none
	unpackVerb = "backup-unpack" // ID TREE
	swapVerb   = "backup-swap"   // ID
	lookVerb   = "backup-look"
	dropVerb   = "backup-drop" // NAMES: old or new

	dropOld, dropNew = "old", "new"

	withProcesses = "still"

	// VolumeFolder is where a helper has the volume.
	VolumeFolder = "/volume"

	// mostHeld is how long processes are held still at most. Where that is not enough
	// there is too much change at this time of day.
	mostHeld = 20 * time.Second
	// littleLeft is how many bytes may have changed since the last pass before processes
	// are held for the next; mostPasses is how often less is hoped for.
	littleLeft = 16 << 20
	mostPasses = 5

	goOn = "go on"
)

// message is what a helper says, a line of JSON on stderr.
type message struct {
	Space *space     `json:",omitempty"` // before anything is read
	Pass  *passed    `json:",omitempty"`
	Still int        `json:",omitempty"` // so many threads stand still; the helper waits for goOn
	End   *ending    `json:",omitempty"` // the processes go on, if they were held
	State *state     `json:",omitempty"`
	Left  xattr.Left `json:",omitempty"` // of a backup, by unpackVerb
	Full  *int64     `json:",omitempty"` // the disk is, after so many bytes of files; an error follows
	Error string     `json:",omitempty"`
}

type space struct{ Files, Bytes int64 }

// ending is the last word of readVerb before it ends.
type ending struct {
	Volume Volume
	Gone   []byte
	Held   float64 // seconds
	Left   xattr.Left
}

// Helps reports whether Helper does what the arguments of `tale helper` ask for.
func Helps(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{readVerb, unpackVerb, swapVerb, lookVerb, dropVerb}, args[0])
}

// Helper does the work of `tale helper` in a container beside the engine, with the volume in
// a folder.
func Helper(ctx context.Context, folder string, args []string, in io.Reader, out, talk io.Writer) error {
	encoder := json.NewEncoder(talk)
	say := func(m message) error { return encoder.Encode(m) }
	err := func() error {
		switch verb := args[0]; {
		case verb == readVerb && len(args) == 2:
			return readVolume(ctx, folder, args[1] == withProcesses, in, out, say)
		case verb == unpackVerb && len(args) == 3:
			left, err := unpack(ctx, folder, args[1], args[2], in)
			if err == nil && len(left) > 0 {
				err = say(message{Left: left})
			}
			return err
		case verb == swapVerb && len(args) == 2:
			return swap(folder, args[1])
		case verb == lookVerb:
			found, err := lookInto(folder)
			if err == nil {
				found.Free, found.Total, err = engine.FreeBelow(folder)
			}
			return errors.Join(err, say(message{State: &found}))
		case verb == dropVerb && len(args) == 2:
			return drop(folder, args[1] == dropOld)
		}
		return exit.Errorf(exit.Usage, "tale helper is for tale itself, not for %q", args)
	}()
	if full, is := errors.AsType[*fullError](err); is {
		err = errors.Join(err, say(message{Full: &full.bytes}))
	}
	if err != nil {
		return errors.Join(err, say(message{Error: err.Error()}))
	}
	return nil
}

// readVolume writes a volume to out and holds what writes into it for the last pass.
func readVolume(ctx context.Context, root string, still bool, in io.Reader, out io.Writer, say func(message) error) error {
	var all space
	if err := walk(root, func(_ string, s stamp) error {
		all.Files++
		if s.isRegular() {
			all.Bytes += s.size
		}
		return nil
	}); err != nil {
		return err
	}
	if err := say(message{Space: &all}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	heard := listen(in, cancel)
	packed, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(2))
	if err != nil {
		return err
	}
	if still { // that it may is known before the long part
		limit := limitHeld(say)
		processes, err := holdStill()
		if err != nil {
			return err
		}
		processes.release()
		limit.Stop()
	}
	c := newCopier(root, packed)
	for n := range mostPasses {
		done, err := c.pass(ctx, false)
		if err == nil {
			err = say(message{Pass: &done})
		}
		if err != nil {
			return err
		}
		if n > 0 && done.Bytes <= littleLeft {
			break
		}
	}
	last, err := lastPass(ctx, c, still, heard, say)
	if err != nil {
		return err
	}
	if last.Volume, last.Gone, err = c.end(); err != nil {
		return err
	}
	last.Left = c.left()
	// After the data, so that whoever has read it has read all of them.
	return errors.Join(packed.Close(), say(message{End: &last}))
}

// lastPass copies while nothing changes, as soon as tale has what it needs of that moment.
func lastPass(ctx context.Context, c *copier, still bool, heard <-chan string, say func(message) error) (last ending, err error) {
	threads, began := 0, time.Now()
	if still {
		defer limitHeld(say).Stop()
		processes, err := holdStill()
		if err != nil {
			return last, err
		}
		defer func() {
			processes.release()
			last.Held = time.Since(began).Seconds()
		}()
		threads = processes.count()
	}
	if err := say(message{Still: threads + 1}); err != nil {
		return last, err
	}
	select {
	case word := <-heard:
		if word != goOn {
			return last, fmt.Errorf("the tale that began this says %q", word)
		}
	case <-ctx.Done():
		return last, context.Cause(ctx)
	}
	_, err = c.pass(ctx, true)
	return last, err
}

// limitHeld ends this process when others have been held for too long.
func limitHeld(say func(message) error) *time.Timer {
	return time.AfterFunc(mostHeld, func() {
		_ = say(message{Error: fmt.Sprintf("convex stood still for %s and the copy was not done: it goes on; try again when less is written", mostHeld)})
		os.Exit(exit.Temporary) //nolint:forbidigo // whatever the thread waits for that holds them: its end lets them go
	})
}

// listen passes on what tale says, and cancels when that has ended.
func listen(in io.Reader, cancel context.CancelCauseFunc) <-chan string {
	heard := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			heard <- lines.Text()
		}
		cancel(errors.New("the tale that began it has ended"))
	}()
	return heard
}
