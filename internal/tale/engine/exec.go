package engine

import (
	"archive/tar"
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
	var out, said beginning
	err = e.Stream(ctx, id, command, nil, Streams{In: stdin, Out: &out, Err: &said})
	if ended, is := errors.AsType[*EndedError](err); is {
		code, err = ended.Code, nil
	}
	if code == exit.NotExecutable {
		code = exit.NotFound
	}
	return out.String(), said.String(), code, err
}

// beginning keeps the first MiB of what is written.
type beginning struct{ strings.Builder }

func (b *beginning) Write(some []byte) (int, error) {
	_, _ = b.Builder.Write(some[:min(len(some), mostOutput-b.Len())])
	return len(some), nil
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
