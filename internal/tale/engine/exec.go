package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

const (
	// mostOutput is what is kept of each stream of a command in a container.
	mostOutput = 1 << 20
	// execLimit is how long such a command may take.
	execLimit = 2 * time.Minute
	// endingFor is how long a container may be ending without the engine knowing. It says of
	// such a one that it cannot run a command; after that it says that it does not run, or the
	// next start has the command.
	endingFor = 250 * time.Millisecond
	// absent is what engines say of a name that no folder of PATH has (runc, crun and Go's
	// os/exec alike): the image's word, and not that of an end. A path that is not there may
	// be one whose container has just let go of its files.
	absent = "executable file not found"
	// mostFile is the largest file that ReadFile returns.
	mostFile = 16 << 20
)

// Exec runs a command in a running container, without a terminal, and returns what it
// wrote, of each stream the first MiB, and its exit code. That is exit.NotFound for a
// command that the container cannot run: engines end an exec of one with 126 or 127,
// whichever it is that is wrong (seen with 20.10; the words go to the command's output).
func (e *Engine) Exec(ctx context.Context, id string, command []string, stdin io.Reader) (stdout, stderr string, code int, err error) {
	stdout, stderr, code, err = e.exec(ctx, id, command, stdin)
	final := strings.Contains(stdout+stderr, absent)
	if err == nil && code == exit.NotFound && !final && stdin == nil && pause.For(ctx, endingFor) {
		return e.exec(ctx, id, command, nil)
	}
	return stdout, stderr, code, err
}

func (e *Engine) exec(ctx context.Context, id string, command []string, stdin io.Reader) (stdout, stderr string, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, execLimit)
	defer cancel()
	what := fmt.Sprintf("run %s in the container %s", command[0], id)
	made, err := e.api.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: command, AttachStdin: stdin != nil, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return "", "", 0, e.failed(ctx, what, err)
	}
	attached, err := e.api.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return "", "", 0, e.failed(ctx, what, err)
	}
	defer attached.Close()
	defer context.AfterFunc(ctx, attached.Close)()
	if stdin != nil {
		go func() { // a command need not read to the end
			_, _ = io.Copy(attached.Conn, stdin)
			_ = attached.CloseWrite()
		}()
	}
	out, errs, err := demultiplex(attached.Reader)
	if err != nil {
		return out, errs, 0, e.failed(ctx, what, err)
	}
	code, err = e.exitCode(ctx, made.ID)
	if code == exit.NotExecutable {
		code = exit.NotFound
	}
	return out, errs, code, e.failed(ctx, what, err)
}

// exitCode waits for the engine to notice an end that the streams have shown already.
func (e *Engine) exitCode(ctx context.Context, exec string) (int, error) {
	for {
		ended, err := e.api.ExecInspect(ctx, exec, client.ExecInspectOptions{})
		if err != nil || !ended.Running {
			return ended.ExitCode, err
		}
		if !pause.For(ctx, 20*time.Millisecond) {
			return 0, ctx.Err()
		}
	}
}

// demultiplex reads frames to the end and keeps the beginning of both streams.
func demultiplex(from io.Reader) (stdout, stderr string, err error) {
	var streams [4]bytes.Buffer
	for {
		kind, frame, err := readFrame(from)
		if errors.Is(err, io.EOF) {
			return streams[1].String(), streams[2].String(), nil
		}
		if err != nil {
			return streams[1].String(), streams[2].String(), err
		}
		into := &streams[kind]
		into.Write(frame[:min(len(frame), mostOutput-into.Len())])
	}
}

// ReadFile returns a file of a container, which need not run.
func (e *Engine) ReadFile(ctx context.Context, id, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	what := fmt.Sprintf("read %s in the container %s", path, id)
	answer, err := e.api.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path})
	if err != nil {
		return nil, e.failed(ctx, what, err)
	}
	defer func() { _ = answer.Content.Close() }()
	archive := tar.NewReader(answer.Content)
	header, err := archive.Next()
	switch {
	case err != nil:
		return nil, e.failed(ctx, what, err)
	case header.Typeflag != tar.TypeReg:
		return nil, fmt.Errorf("cannot %s: it is no regular file", what)
	case header.Size > mostFile:
		return nil, fmt.Errorf("cannot %s: it has %d bytes, more than %d", what, header.Size, mostFile)
	}
	content, err := io.ReadAll(archive)
	return content, e.failed(ctx, what, err)
}
