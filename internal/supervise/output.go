package supervise

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// output reads what a child writes. A nil output belongs to a child that
// writes to our own stdout and stderr.
type output struct {
	mu      sync.Mutex
	line    func(Stream, []byte)
	pipes   map[Stream]*os.File
	readers sync.WaitGroup
	failed  func(Stream, error)
}

func newOutput(line func(Stream, []byte), failed func(Stream, error)) *output {
	return &output{line: line, pipes: map[Stream]*os.File{}, failed: failed}
}

// open makes the pipe of a stream and returns the child's end.
func (o *output) open(stream Stream) (*os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("cannot make a pipe for %s: %w", stream, err)
	}
	// Only our end: a child does not expect its stdout to be non-blocking.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		_, _ = unix.Close(fds[0]), unix.Close(fds[1])
		return nil, fmt.Errorf("cannot read %s without blocking: %w", stream, err)
	}
	o.pipes[stream] = os.NewFile(uintptr(fds[0]), stream.String())
	return os.NewFile(uintptr(fds[1]), stream.String()), nil
}

// begin starts reading.
func (o *output) begin() {
	if o == nil {
		return
	}
	for stream, pipe := range o.pipes {
		o.readers.Go(func() { o.read(stream, pipe) })
	}
}

func (o *output) read(stream Stream, pipe *os.File) {
	defer pipe.Close()
	err := o.split(stream, pipe)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		o.failed(stream, err)
	}
}

func (o *output) split(stream Stream, pipe io.Reader) error {
	lines := newLineSplitter(func(line []byte) { o.line(stream, line) })
	for {
		n, err := pipe.Read(lines.space())
		o.mu.Lock()
		lines.filled(n)
		if err != nil {
			lines.flush()
		}
		o.mu.Unlock()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// end waits until everything was read, for limit at most.
func (o *output) end(limit time.Duration) {
	if o == nil {
		return
	}
	for _, pipe := range o.pipes {
		// The reader may have closed it already.
		_ = pipe.SetReadDeadline(time.Now().Add(limit))
	}
	o.readers.Wait()
}

// abandon closes what was opened for a child that did not start.
func (o *output) abandon() {
	if o == nil {
		return
	}
	for _, pipe := range o.pipes {
		_ = pipe.Close()
	}
}

// childFiles are the descriptors 0, 1 and 2 of a child.
type childFiles struct {
	list []*os.File
	keep bool
}

func (c *Child) openFiles(p Process, o startOptions) (*childFiles, error) {
	if o.inherit {
		return &childFiles{list: []*os.File{os.Stdin, os.Stdout, os.Stderr}, keep: true}, nil
	}
	line := p.Line
	if line == nil {
		line = relay(c.log, p.Name)
	}
	c.output = newOutput(line, func(stream Stream, err error) {
		c.log.Warn("cannot read the output of a child any longer", "process", p.Name, "stream", stream.String(), "error", err)
	})
	files := &childFiles{}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("cannot open the child's input: %w", err)
	}
	files.list = append(files.list, null)
	for _, stream := range []Stream{Stdout, Stderr} {
		file, err := c.output.open(stream)
		if err != nil {
			files.closeOurs()
			c.output.abandon()
			return nil, err
		}
		files.list = append(files.list, file)
	}
	return files, nil
}

func (f *childFiles) fds() []uintptr {
	fds := make([]uintptr, 0, len(f.list))
	for _, file := range f.list {
		fds = append(fds, rawFd(file))
	}
	return fds
}

// rawFd returns the descriptor without Fd's side effect of making the file blocking.
func rawFd(file *os.File) uintptr {
	var raw uintptr
	conn, err := file.SyscallConn()
	if err != nil {
		return ^uintptr(0)
	}
	_ = conn.Control(func(fd uintptr) { raw = fd })
	return raw
}

func (f *childFiles) closeOurs() {
	if f.keep {
		return
	}
	for _, file := range f.list {
		_ = file.Close()
	}
}
