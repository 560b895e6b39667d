package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

const (
	// A lock's holder says every beat that it is there. Its container ends when nothing
	// has come for silence, because a line that is cut without a word never says so.
	beat    = 3 * time.Second
	silence = 20 * time.Second
	// A container of that name that is there and does not run is on its way up or down,
	// or was left over, which lockAttempts tell apart.
	lockAttempts = 25
	lockPause    = 200 * time.Millisecond
	// noNetwork is the engine's name of what connects a container to nothing.
	noNetwork = "none"
)

// HeldError says that a lock is taken, and by whom.
type HeldError struct {
	Container string
	Since     time.Time
	Labels    map[string]string // those that the holder gave
}

func (h *HeldError) Error() string {
	return fmt.Sprintf("the lock %s is held since %s", h.Container, h.Since.Format(time.RFC3339))
}

// ExitCode makes it an error of exit code 75.
func (h *HeldError) ExitCode() int { return exit.Temporary }

// Hold is a lock on the engine. It ends with this process and with its connection.
type Hold struct {
	end  func()
	done chan struct{}
}

// Done returns a channel that is closed when the lock is lost, or released.
func (h *Hold) Done() <-chan struct{} { return h.done }

// Release frees the lock and returns when the engine knows.
func (h *Hold) Release() {
	h.end()
	<-h.done
}

// HoldLock takes the lock of a project among all that use this engine, from any host. It
// is a helper container, whose name the engine gives only once and whose input is a
// connection of this process. A lock that is taken is a *HeldError.
func (e *Engine) HoldLock(ctx context.Context, project string, holder map[string]string) (*Hold, error) {
	image, err := e.ImportHelper(ctx)
	if err != nil {
		return nil, err
	}
	name := project + "-tale-lock"
	labels := maps.Clone(holder)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[LabelProject] = project
	for attempt := range lockAttempts {
		id, err := e.createHelper(ctx, name, image, HelperOptions{Args: []string{"hold"}, Labels: labels})
		if err == nil {
			held, err := e.hold(ctx, id)
			if err == nil || !hasAny(err.Error(), "already exists in network") {
				return held, err
			}
			// An engine with live-restore that was killed remembers the endpoint of a
			// container that ended meanwhile, and gives it up once no container has the name.
			if wrong := e.Disconnect(ctx, noNetwork, name); wrong != nil {
				return nil, errors.Join(err, wrong)
			}
		} else if !IsConflict(err) {
			return nil, err
		} else if err := e.lookAtHolder(ctx, name, attempt >= lockAttempts/2); err != nil {
			return nil, err
		}
		if !pause.For(ctx, lockPause) {
			return nil, fmt.Errorf("cannot lock %s: %w", project, context.Cause(ctx))
		}
	}
	return nil, exit.Errorf(exit.Temporary, "cannot lock %s: the container %s neither runs nor goes; `docker rm -f %s` removes it", project, name, name)
}

// lookAtHolder returns a *HeldError if the lock is held. A container that has ended, or
// does not start for long, is removed.
func (e *Engine) lookAtHolder(ctx context.Context, name string, long bool) error {
	c, err := e.Inspect(ctx, name)
	switch {
	case IsNotFound(err):
		return nil
	case err != nil:
		return err
	case !IsHelper(c):
		return exit.Errorf(exit.Config, "cannot lock the project: the container %s is there and not one of tale's (its image is %s): rename or remove it", name, c.Image)
	case c.State.Running:
		return &HeldError{Container: name, Since: c.Created, Labels: c.Labels}
	case c.State.Status != "removing" && c.State.Status != "created", long:
		e.discard(ctx, c.ID)
	}
	return nil
}

// hold starts the container and waits until it says that it holds.
func (e *Engine) hold(ctx context.Context, id string) (*Hold, error) {
	// The connection outlives the call, but not the time for its beginning.
	life, opened, end := opening(context.WithoutCancel(ctx))
	interrupted := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	attached, err := e.api.ContainerAttach(life, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true})
	if err == nil {
		defer context.AfterFunc(life, attached.Close)()
		if err = e.Start(life, id); err == nil {
			_, _, err = readFrame(attached.Reader)
		}
	}
	if inTime := interrupted() && opened(); err == nil && !inTime {
		err = cmp.Or(context.Cause(ctx), context.DeadlineExceeded)
	}
	if err != nil {
		defer end(nil)
		defer e.discard(ctx, id)
		if c, gone := e.Inspect(ctx, id); errors.Is(err, io.EOF) && (IsNotFound(gone) || gone == nil && !c.State.Running) {
			return nil, errors.New("cannot hold a lock: this program does not run in a container of the engine, which `make build` makes it for, without cgo and for the engine's platform")
		}
		if imitator, unknown := e.Imitator(ctx); unknown == nil && imitator != "" {
			err = fmt.Errorf("%w; the engine is %s, and tale needs Docker's own", err, imitator)
		}
		return nil, e.failed(life, "hold a lock", err)
	}
	h := &Hold{done: make(chan struct{}), end: sync.OnceFunc(func() {
		end(nil)
		attached.Close()
	})}
	go keepAlive(life, attached.Conn)
	go func() {
		defer close(h.done)
		// Nothing more is written there: the end of the container, or of the connection,
		// ends it.
		_, _ = io.Copy(io.Discard, attached.Reader)
		h.end()
		e.discard(life, id)
	}()
	return h, nil
}

func keepAlive(ctx context.Context, to io.Writer) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if _, err := to.Write([]byte{'\n'}); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// Helper does the work of the command `tale helper`, which runs in helper containers:
// hold says so, and reads until its input ends or falls silent; dial passes bytes between
// its streams and an address; free prints the bytes that are free, and all bytes, of the
// disk below a folder.
func Helper(args []string, in io.Reader, out io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "hold":
		if _, err := fmt.Fprintln(out, "held"); err != nil {
			return err
		}
		return listen(in, silence)
	case len(args) == 2 && args[0] == "dial":
		return relay(args[1], in, out)
	case len(args) == 2 && args[0] == "free":
		free, total, err := FreeBelow(args[1])
		if err == nil {
			_, err = fmt.Fprintln(out, free, total)
		}
		return err
	}
	return exit.Errorf(exit.Usage, "tale helper is for tale itself: hold, dial ADDRESS or free FOLDER, not %q", args)
}

// Attended returns a context for what a helper does: it ends when the tale that runs the
// helper has ended, or has said nothing for long.
func Attended(ctx context.Context, in io.Reader) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		if err := listen(in, silence); err != nil {
			cancel(err)
		}
		cancel(errors.New("the tale that began it has ended"))
	}()
	return ctx, cancel
}

func listen(in io.Reader, limit time.Duration) error {
	heard, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		var some [64]byte
		for {
			if _, err := in.Read(some[:]); err != nil {
				ended <- err
				return
			}
			heard <- struct{}{}
		}
	}()
	quiet := time.NewTimer(limit)
	for {
		select {
		case <-heard:
			quiet.Reset(limit)
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case <-quiet.C:
			return exit.Errorf(exit.Unavailable, "the holder of the lock has said nothing for %s", limit)
		}
	}
}
