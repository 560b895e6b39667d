package engine

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/moby/moby/client"
)

// longestLine is what one line of a log may have; the rest of it follows as another.
const longestLine = 64 << 10

// LogOptions say which part of a log is wanted.
type LogOptions struct {
	Follow bool      // until the container ends
	Since  time.Time // zero: no limit
	Tail   int       // last lines; 0: all, -1: none
	Name   string    // of the container, for an error; "": as it was asked for
}

// Line is a line of a log, without its end.
type Line struct {
	Time   time.Time // as the engine took it
	Stderr bool      // never of a container with a terminal
	Text   string
}

// Logs yields the lines that a container has written, and an error if they break off.
func (e *Engine) Logs(ctx context.Context, id string, options LogOptions) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		ctx, opened, cancel := opening(ctx)
		defer cancel(nil)
		what := "read the log of " + cmp.Or(options.Name, id)
		stream, terminal, err := e.logStream(ctx, id, what, options)
		opened()
		if err != nil {
			yield(Line{}, err)
			return
		}
		defer func() { _ = stream.Close() }()
		stopped := false
		err = splitLog(stream, terminal, func(line Line) bool {
			stopped = !yield(line, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(Line{}, e.failed(ctx, what, err))
		}
	}
}

func (e *Engine) logStream(ctx context.Context, id, what string, options LogOptions) (stream io.ReadCloser, terminal bool, err error) {
	// Engines before API 1.42 do not say which of the two formats they send.
	inspected, err := ask(ctx, e, patience, what, func(ctx context.Context, o client.ContainerInspectOptions) (client.ContainerInspectResult, error) {
		return e.api.ContainerInspect(ctx, id, o)
	}, client.ContainerInspectOptions{})
	if err != nil {
		return nil, false, err
	}
	asked := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: options.Follow}
	if options.Tail != 0 {
		asked.Tail = strconv.Itoa(max(options.Tail, 0))
	}
	if !options.Since.IsZero() {
		asked.Since = seconds(options.Since)
	}
	stream, err = e.api.ContainerLogs(ctx, id, asked)
	if err != nil {
		return nil, false, e.failed(ctx, what, err)
	}
	config := inspected.Container.Config
	return stream, config != nil && config.Tty, nil
}

// splitLog makes lines of what the engine sends. Without a terminal that is frames: one
// byte for the stream, three zeros, four for the length. A long line comes in several,
// and each has a date of its own at its beginning.
func splitLog(from io.Reader, terminal bool, yield func(Line) bool) error {
	reader := bufio.NewReaderSize(from, longestLine)
	var out, stderr pending
	for {
		if terminal {
			part, err := reader.ReadSlice('\n')
			if !out.add(part, false, yield) {
				return nil
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				out.end(false, yield)
				return ended(err)
			}
			continue
		}
		kind, frame, err := readFrame(reader)
		if err != nil {
			_ = out.end(false, yield) && stderr.end(true, yield)
			return ended(err)
		}
		of := &out
		if kind == 2 {
			of = &stderr
		}
		if !of.add(frame, kind == 2, yield) {
			return nil
		}
	}
}

func readFrame(from io.Reader) (kind byte, frame []byte, err error) {
	var header [8]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(header[4:])
	if header[0] > 3 || length > 16<<20 {
		return 0, nil, fmt.Errorf("this is no log: frame %x", header)
	}
	frame = make([]byte, length)
	if _, err = io.ReadFull(from, frame); errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && header[0] == 3 {
		err = errors.New(string(bytes.TrimSpace(frame)))
	}
	return header[0], frame, err
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// pending is a line whose end has not come.
type pending struct {
	begun bool
	at    time.Time
	text  []byte
}

func (p *pending) add(part []byte, stderr bool, yield func(Line) bool) bool {
	for len(part) > 0 {
		at, rest := cutDate(part)
		if !p.begun {
			p.begun, p.at = true, at
		}
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		p.text = append(p.text, line...)
		for len(p.text) > longestLine {
			if !yield(Line{p.at, stderr, string(p.text[:longestLine])}) {
				return false
			}
			p.text = p.text[longestLine:]
		}
		if whole && !p.end(stderr, yield) {
			return false
		}
		part = after
	}
	return true
}

func (p *pending) end(stderr bool, yield func(Line) bool) bool {
	if !p.begun {
		return true
	}
	line := Line{p.at, stderr, string(bytes.TrimSuffix(p.text, []byte{'\r'}))}
	*p = pending{text: p.text[:0]}
	return yield(line)
}

// cutDate takes the engine's date off; what has none is returned as it is.
func cutDate(text []byte) (time.Time, []byte) {
	date, _, found := bytes.Cut(text[:min(len(text), 64)], []byte{' '})
	at, err := time.Parse(time.RFC3339Nano, string(date))
	if !found || err != nil {
		return time.Time{}, text
	}
	return at, text[len(date)+1:]
}

func seconds(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
