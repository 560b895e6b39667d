package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// Streams are what a program beside the engine reads and writes while it runs, however
// much that is. One that is nil is closed, or dropped.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Stream runs a command in a running container with its streams, and without a limit of
// time. What it says to stderr is also the end of the error of one that fails.
func (e *Engine) Stream(ctx context.Context, id string, command []string, environ map[string]string, s Streams) error {
	what := fmt.Sprintf("run %s in the container %s", command[0], id)
	opening, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	made, err := e.api.ExecCreate(opening, id, client.ExecCreateOptions{Cmd: command, Env: assignments(environ), AttachStdin: s.In != nil, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return e.failed(opening, what, err)
	}
	attached, err := e.api.ExecAttach(opening, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return e.failed(opening, what, err)
	}
	said, broken := pump(ctx, attached.HijackedResponse, s)
	if own, is := errors.AsType[*ownError](broken); is {
		return own.error
	}
	asking := ctx
	if broken != nil {
		asking, cancel = context.WithTimeout(ctx, noticing)
		defer cancel()
	}
	code, err := e.exitCode(asking, made.ID)
	if err == nil && code != 0 {
		return &EndedError{What: what, Code: code, Said: said}
	}
	if broken != nil && !IsNotFound(err) { // the end of a container takes its programs along
		err = broken
	}
	return e.failed(ctx, what, err)
}

// exitCode waits for the engine to notice an end that the streams have shown already.
func (e *Engine) exitCode(ctx context.Context, exec string) (int, error) {
	for {
		ended, err := e.api.ExecInspect(ctx, exec, client.ExecInspectOptions{})
		if err != nil || !ended.Running {
			return ended.ExitCode, err
		}
		if !pause.For(ctx, 20*time.Millisecond) {
			return 0, context.Cause(ctx)
		}
	}
}

// noticing is how long the engine may take to notice that a program has ended whose
// streams have broken off. It closes the connection of one that has not read all of its
// input, which is a reset to the client, as an engine that has gone is.
const noticing = 2 * time.Second

// Attend runs a helper with its streams to its end, and removes it. Its input ends with
// this process, at the latest.
func (e *Engine) Attend(ctx context.Context, o HelperOptions, s Streams) error {
	image, err := e.ImportHelper(ctx)
	if err != nil {
		return err
	}
	return e.attend(ctx, "run the helper "+cmp.Or(strings.Join(o.Args[:min(2, len(o.Args))], " "), "of tale"), func(ctx context.Context) (string, error) {
		return e.createHelper(ctx, "", image, o)
	}, s)
}

// attend starts a container that removes itself, with its streams.
func (e *Engine) attend(ctx context.Context, what string, create func(context.Context) (string, error), s Streams) error {
	id, err := create(ctx)
	if err != nil {
		return err
	}
	defer e.discard(ctx, id)
	life, cancel := context.WithCancel(ctx)
	defer cancel()
	attached, err := e.api.ContainerAttach(life, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return e.failed(life, what, err)
	}
	defer attached.Close()
	wait := e.api.ContainerWait(life, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if err := e.Start(life, id); err != nil {
		return err
	}
	if s.In == nil {
		s.In = bytes.NewReader(nil)
	}
	said, broken := pump(life, attached.HijackedResponse, s)
	if own, is := errors.AsType[*ownError](broken); is {
		return own.error
	}
	var late <-chan time.Time
	if broken != nil {
		late = time.After(noticing)
	}
	select {
	case ended := <-wait.Result:
		if ended.StatusCode != 0 {
			return helperEnded(what, int(ended.StatusCode), said)
		}
		return e.failed(ctx, what, broken)
	case err := <-wait.Error:
		return e.failed(ctx, what, cmp.Or(broken, err))
	case <-late:
		return e.failed(ctx, what, broken)
	case <-ctx.Done():
		return e.failed(ctx, what, ctx.Err())
	}
}

// EndedError is the error of a program that ran beside the engine and has not ended well.
type EndedError struct {
	What string
	Code int    // the program's own exit code
	Said string // the end of what it said
}

func (e *EndedError) Error() string {
	said := cmp.Or(e.Said, "it said nothing")
	if e.Killed() {
		return fmt.Sprintf("cannot %s: it was killed (exit code %d): %s", e.What, e.Code, said)
	}
	return fmt.Sprintf("cannot %s: it failed with exit code %d: %s", e.What, e.Code, said)
}

// Killed reports whether a signal has ended it: by hand, for its memory, or with the
// container or the engine that it was in.
func (e *EndedError) Killed() bool { return e.Code > 128 }

// helperEnded returns the error of a helper, whose exit codes are those of tale unless the
// runtime or the kernel has ended it.
func helperEnded(what string, code int, said string) error {
	err := &EndedError{What: what, Code: code, Said: said}
	if code < exit.Usage || code > exit.Config {
		code = exit.Failure
	}
	return exit.With(code, err)
}

// ownError is what the reader or the writer of the caller said.
type ownError struct{ error }

func (o *ownError) Unwrap() error { return o.error }

// pump moves what goes through the streams until the program closes them, and returns
// the end of what it said to stderr.
func pump(ctx context.Context, attached client.HijackedResponse, s Streams) (said string, err error) {
	defer attached.Close()
	defer context.AfterFunc(ctx, attached.Close)()
	reading := make(chan error, 1)
	send := func() { // a program need not read to the end
		_, err := io.Copy(attached.Conn, readOnly{s.In})
		if own, ok := errors.AsType[*ownError](err); ok {
			reading <- own
			attached.Close()
			return
		}
		_ = attached.CloseWrite()
	}
	if s.In != nil { // what is between may end the other direction with this one, as socat does
		go send()
	}
	var last tail
	for {
		kind, frame, err := readFrame(attached.Reader)
		if errors.Is(err, io.EOF) {
			return last.String(), nil
		}
		if err != nil {
			select {
			case own := <-reading:
				err = own
			default:
			}
			return last.String(), err
		}
		to := s.Out
		if kind == 2 {
			to = s.Err
			last.add(frame)
		}
		if to == nil {
			continue
		}
		if _, err := to.Write(frame); err != nil {
			return last.String(), &ownError{err}
		}
	}
}

// readOnly marks the errors of a reader, and hides what else it can do.
type readOnly struct{ from io.Reader }

func (r readOnly) Read(into []byte) (int, error) {
	n, err := r.from.Read(into)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &ownError{err}
	}
	return n, err
}

// tail keeps the end of what was said.
type tail struct{ kept []byte }

func (t *tail) add(some []byte) {
	const most = 2 << 10
	t.kept = append(t.kept, some...)
	t.kept = t.kept[max(0, len(t.kept)-most):]
}

func (t *tail) String() string { return strings.TrimSpace(string(t.kept)) }

// Lines returns a writer that passes whole lines on.
func Lines(do func(line string)) io.Writer { return &lines{do: do} }

type lines struct {
	do   func(string)
	rest []byte
}

func (l *lines) Write(some []byte) (int, error) {
	l.rest = append(l.rest, some...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte{'\n'})
		if !found {
			return len(some), nil
		}
		l.do(string(line))
		l.rest = rest
	}
}

// assignments returns an environment as the engine takes it.
func assignments(environ map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		list = append(list, name+"="+environ[name])
	}
	return list
}
