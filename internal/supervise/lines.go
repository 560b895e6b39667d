package supervise

import (
	"bytes"
	"log/slog"
	"unicode/utf8"

	"github.com/tale-project/tale-runtime/internal/logging"
)

// MaxLine is the longest piece of a line that is passed on, in bytes. It is
// the size at which Docker's log drivers split lines themselves.
const MaxLine = 16 << 10

// CutLine is the length from which on a piece may not be the end of its line.
const CutLine = MaxLine - utf8.UTFMax + 1

// lineSplitter cuts a stream of bytes into lines and passes all of it on: a
// line that is longer than MaxLine in pieces, cut between characters.
type lineSplitter struct {
	emit func(line []byte)
	buf  []byte
	used int
}

func newLineSplitter(emit func([]byte)) *lineSplitter {
	return &lineSplitter{emit: emit, buf: make([]byte, 4*MaxLine)}
}

// space returns where the next bytes go; it is never empty.
func (s *lineSplitter) space() []byte { return s.buf[s.used:] }

// filled passes on what is complete after n bytes were put into space.
func (s *lineSplitter) filled(n int) {
	scanned := s.used
	s.used += n
	rest := s.buf[:s.used]
	for {
		i := bytes.IndexByte(rest[scanned:], '\n')
		if i < 0 {
			break
		}
		s.line(rest[:scanned+i])
		rest, scanned = rest[scanned+i+1:], 0
	}
	for len(rest) > MaxLine {
		cut := cutPoint(rest)
		s.emit(rest[:cut])
		rest = rest[cut:]
	}
	s.used = copy(s.buf, rest)
}

// line passes on one complete line.
func (s *lineSplitter) line(line []byte) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	for len(line) > MaxLine {
		cut := cutPoint(line)
		s.emit(line[:cut])
		line = line[cut:]
	}
	s.emit(line)
}

// flush passes on a last line without an end.
func (s *lineSplitter) flush() {
	if s.used > 0 {
		s.line(s.buf[:s.used])
		s.used = 0
	}
}

// cutPoint returns MaxLine, or a little less so that no character is cut in two.
func cutPoint(line []byte) int {
	for cut := MaxLine; cut > MaxLine-utf8.UTFMax; cut-- {
		if utf8.RuneStart(line[cut]) {
			return cut
		}
	}
	return MaxLine
}

// relay logs the lines of a child under its name.
func relay(log *slog.Logger, name string) func(Stream, []byte) {
	line := logging.ChildLines(log, name)
	return func(_ Stream, text []byte) { line(text) }
}
