package logging

import (
	"bytes"
	"io"
	"slices"
	"sync"
	"time"
)

const (
	// writerLimit is how many bytes wait for a slow reader of the log.
	writerLimit = 1 << 20
	// writerReserve is how many bytes more our own lines may take.
	writerReserve = 64 << 10
	// writerPatience is how long a line waits for a reader that takes nothing
	// at all. After that, lines are dropped at once until it takes some again.
	writerPatience = 500 * time.Millisecond
	// writerChunk is how much is written at a time, so that a reader that is
	// slow can be told from one that has stopped.
	writerChunk = 64 << 10
	// writerDelay is how long a batched line may wait for others.
	writerDelay = 100 * time.Millisecond
	// writerBatch is how many bytes need not wait for more.
	writerBatch = 32 << 10
)

// Writer stands between a log and its reader (a container runtime, a
// pipe), so that a slow reader slows children down but blocks no process for
// good: when it has taken nothing for writerPatience, lines are dropped. How
// many is said in the log as soon as it is read again.
//
// A line of our own was written when Write returns, unless the reader has
// stopped; lines of children wait in the buffer, and those of a Batched logger
// wait there for others as well. Close writes what is left.
type Writer struct {
	sink   io.Writer
	notice func(dropped int) []byte

	mu       sync.Mutex
	pending  []byte
	accepted uint64        // bytes put into pending so far
	written  uint64        // bytes given to the sink so far
	dropped  int           // lines since the last notice
	stalled  bool          // the reader has taken nothing for writerPatience
	progress chan struct{} // closed when the reader takes something; nil: nothing waits
	silent   time.Time     // since when progress is waited for
	wake     chan struct{}
	batch    *time.Timer // wakes the writer when a batched line has waited
	waiting  bool        // batch is running
}

// NewWriter returns a Writer to sink, normally os.Stdout. It runs until the
// process ends.
func NewWriter(sink io.Writer) *Writer {
	w := &Writer{sink: sink, wake: make(chan struct{}, 1), notice: func(int) []byte { return nil }}
	w.batch = time.AfterFunc(writerDelay, w.endBatch)
	go w.run()
	return w
}

// setNotice sets how to say that lines were dropped.
func (w *Writer) setNotice(notice func(dropped int) []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notice = notice
}

// Write takes whole lines and waits a moment until they were written. It never
// fails: there is nowhere to tell that a log cannot be written.
func (w *Writer) Write(lines []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) > writerLimit+writerReserve {
		w.drop(lines)
		return len(lines), nil
	}
	w.put(lines)
	w.awaitWritten()
	return len(lines), nil
}

// relay takes whole lines and returns once there was room for them.
func (w *Writer) relay(lines []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.awaitRoom(lines) {
		w.put(lines)
	}
}

// later relays lines that need not be written at once.
func (w *Writer) later(lines []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.awaitRoom(lines) {
		return
	}
	w.putNotice()
	w.keep(lines)
	switch {
	case len(w.pending) >= writerBatch:
		w.wakeUp()
	case !w.waiting:
		w.waiting = true
		w.batch.Reset(writerDelay)
	}
}

func (w *Writer) endBatch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	w.wakeUp()
}

// awaitRoom reports false if the lines were dropped because there is none.
func (w *Writer) awaitRoom(lines []byte) bool {
	for len(w.pending) > writerLimit {
		if w.stalled {
			w.drop(lines)
			return false
		}
		w.awaitProgress(writerPatience)
	}
	return true
}

// Close waits a moment until everything was written.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalled = false
	w.wakeUp()
	w.awaitWritten()
	return nil
}

func (w *Writer) drop(lines []byte) { w.dropped += bytes.Count(lines, []byte{'\n'}) }

func (w *Writer) put(lines []byte) {
	w.putNotice()
	w.append(lines)
}

func (w *Writer) putNotice() {
	if w.dropped > 0 {
		w.append(w.notice(w.dropped))
		w.dropped = 0
	}
}

func (w *Writer) append(lines []byte) {
	w.keep(lines)
	w.wakeUp()
}

func (w *Writer) keep(lines []byte) {
	w.pending = append(w.pending, lines...)
	w.accepted += uint64(len(lines))
}

func (w *Writer) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// awaitWritten waits until what is pending now was written, for
// writerPatience at most and not at all while the reader has stopped.
func (w *Writer) awaitWritten() {
	position, deadline := w.accepted, time.Now().Add(writerPatience)
	for w.written < position && !w.stalled && time.Now().Before(deadline) {
		w.awaitProgress(time.Until(deadline))
	}
}

// awaitProgress waits, with the lock released, until the reader takes
// something. If it takes nothing for writerPatience, it has stalled.
func (w *Writer) awaitProgress(limit time.Duration) {
	if w.progress == nil {
		w.progress, w.silent = make(chan struct{}), time.Now()
	}
	progress := w.progress
	w.mu.Unlock()
	timer := time.NewTimer(limit)
	select {
	case <-progress:
	case <-timer.C:
	}
	timer.Stop()
	w.mu.Lock()
	if w.progress == progress && time.Since(w.silent) >= writerPatience {
		w.stalled = true
	}
}

func (w *Writer) run() {
	var batch []byte
	for range w.wake {
		for batch = w.take(batch); len(batch) > 0; batch = w.take(batch) {
			for chunk := range slices.Chunk(batch, writerChunk) {
				// A broken sink takes everything: the process has work to do.
				_, _ = w.sink.Write(chunk)
				w.advance(len(chunk))
			}
		}
	}
}

// take swaps the pending bytes for an empty buffer.
func (w *Writer) take(empty []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) == 0 {
		w.putNotice()
	}
	batch := w.pending
	w.pending = empty[:0]
	return batch
}

func (w *Writer) advance(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written += uint64(n)
	w.stalled = false
	if w.progress != nil {
		close(w.progress)
		w.progress = nil
	}
}
