package volume

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// flushAfter is how long a line may wait before it is in the file.
const flushAfter = 200 * time.Millisecond

// Log is a log file on the volume that never grows beyond a size: at that size the
// beginning is cut off while the file is written to, and its last part stays.
// It is one file that people can follow and copy, not a series.
type Log struct {
	path  string
	limit int64 // bytes at which it is cut
	keep  int64 // bytes that stay

	mu     sync.Mutex
	file   *os.File
	buffer *bufio.Writer
	size   int64
	flush  *time.Timer
	closed bool
}

// OpenLog opens a log for appending and cuts what is too large already.
func OpenLog(path string, limit, keep int64) (*Log, error) {
	l := &Log{path: path, limit: limit, keep: keep}
	if err := l.open(); err != nil {
		return nil, err
	}
	l.flush = time.AfterFunc(time.Hour, l.Flush)
	l.flush.Stop()
	if err := l.endLine(); err != nil {
		return l, err
	}
	if l.size > l.limit {
		return l, l.cut()
	}
	return l, nil
}

// endLine ends a line that a power cut or a full disk has left half-written, so that
// the next one stands by itself.
func (l *Log) endLine() error {
	last := make([]byte, 1)
	if l.size == 0 {
		return nil
	}
	if _, err := l.file.ReadAt(last, l.size-1); err != nil || last[0] == '\n' {
		return err
	}
	return l.WriteLine("")
}

func (l *Log) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("cannot open the log: %w", err), file.Close())
	}
	// Older versions made it readable for all users.
	if err := file.Chmod(0o600); err != nil {
		return errors.Join(fmt.Errorf("cannot open the log: %w", err), file.Close())
	}
	l.file, l.size, l.buffer = file, info.Size(), bufio.NewWriterSize(file, 64<<10)
	return nil
}

// WriteLine appends a line. An error leaves the log usable: a disk that was
// full may have room later.
func (l *Log) WriteLine(line string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return os.ErrClosed
	}
	if l.buffer.Buffered() == 0 {
		l.flush.Reset(flushAfter)
	}
	_, err := l.buffer.WriteString(line)
	if err == nil {
		err = l.buffer.WriteByte('\n')
	}
	l.size += int64(len(line)) + 1
	if err != nil {
		l.buffer.Reset(l.file) // a bufio.Writer keeps its first error for ever
		return fmt.Errorf("cannot write the log: %w", err)
	}
	if l.size > l.limit {
		return l.cut()
	}
	return nil
}

// Flush puts the waiting lines into the file.
func (l *Log) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushLocked()
}

func (l *Log) flushLocked() {
	if l.closed {
		return
	}
	if err := l.buffer.Flush(); err != nil {
		l.buffer.Reset(l.file)
	}
}

// Close flushes the file to the disk and closes it.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.flush.Stop()
	l.flushLocked()
	l.closed = true
	return errors.Join(l.file.Sync(), l.file.Close())
}

// cut replaces the file by its last part, from the beginning of a line. The
// new file is complete before it takes the name of the old one.
func (l *Log) cut() error {
	l.flushLocked()
	temp, err := os.CreateTemp(filepath.Dir(l.path), "."+filepath.Base(l.path)+".*")
	if err != nil {
		return l.startOver(err)
	}
	err = errors.Join(copyTail(temp, l.file, l.keep), temp.Chmod(0o600), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), l.path)
	}
	if err != nil {
		return l.startOver(errors.Join(err, os.Remove(temp.Name())))
	}
	return errors.Join(l.file.Close(), l.open())
}

// startOver empties the log where its last part cannot be kept: a log that
// grows for ever fills the disk that the database needs.
func (l *Log) startOver(cause error) error {
	l.size = 0
	if err := l.file.Truncate(0); err != nil {
		cause = errors.Join(cause, err)
	}
	return fmt.Errorf("cannot keep the end of the log, it starts over: %w", cause)
}

func copyTail(to io.Writer, from *os.File, keep int64) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	start := max(0, info.Size()-keep)
	tail := bufio.NewReaderSize(io.NewSectionReader(from, start, info.Size()-start), 64<<10)
	if start > 0 {
		if err := skipLine(tail); err != nil {
			return err
		}
	}
	_, err = io.Copy(to, tail)
	return err
}

// skipLine drops the rest of a line that was cut in the middle.
func skipLine(r *bufio.Reader) error {
	for {
		chunk, err := r.ReadSlice('\n')
		if bytes.HasSuffix(chunk, []byte("\n")) || errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}
