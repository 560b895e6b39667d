package logging

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// jsonHandler is slog's, with a fast way for lines of children, and a limit for
// others.
type jsonHandler struct {
	slog.Handler // writes to the gate
	gate         *jsonGate
	plain        bool // without attributes and groups
	child        bool // its lines are those of a child
}

func newJSONHandler(out sink, level slog.Leveler) *jsonHandler {
	gate := &jsonGate{out: out, level: level}
	return &jsonHandler{Handler: slog.NewJSONHandler(gate, &slog.HandlerOptions{Level: level}), gate: gate, plain: true}
}

// jsonGate is between slog's handler and the log: only there it is known how long a
// line is.
type jsonGate struct {
	out   sink
	level slog.Leveler
	whole bool // lines of any length

	mu      sync.Mutex
	open    bool // for the line that is being written
	tooLong int  // bytes of that line, if it was not let through
}

func (g *jsonGate) Write(line []byte) (int, error) {
	g.tooLong = 0
	if len(line) > longestLine && !g.open {
		g.tooLong = len(line)
		return len(line), nil
	}
	return g.out.Write(line)
}

func (h *jsonHandler) Handle(ctx context.Context, r slog.Record) error {
	g := h.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = g.whole || h.child || childOf(r) != "" || g.level.Level() <= slog.LevelDebug
	err := h.Handler.Handle(ctx, r)
	for try := 1; g.tooLong > 0; try++ {
		r, g.open = shorten(r, g.tooLong), try == shortenings
		err = h.Handler.Handle(ctx, r)
	}
	return err
}

func (h *jsonHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	child := h.child || slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == ChildKey })
	return &jsonHandler{Handler: h.Handler.WithAttrs(attrs), gate: h.gate, child: child}
}

func (h *jsonHandler) WithGroup(name string) slog.Handler {
	return &jsonHandler{Handler: h.Handler.WithGroup(name), gate: h.gate, child: h.child}
}

func (h *jsonHandler) childFormat(name string) (childFormat, sink) {
	quoted, err := json.Marshal(name)
	if err != nil || !h.plain {
		return nil, nil
	}
	tail := append(append([]byte(`,"`+ChildKey+`":`), quoted...), '}', '\n')
	return func(buf []byte, now time.Time, line []byte) []byte {
		buf = append(buf, `{"time":"`...)
		buf = now.AppendFormat(buf, time.RFC3339Nano)
		buf = append(buf, `","level":"INFO","msg":"`...)
		buf = appendJSON(buf, line)
		return append(append(buf, '"'), tail...)
	}, h.gate.out
}

const hexDigits = "0123456789abcdef"

// appendJSON appends the inside of a JSON string.
func appendJSON(buf, text []byte) []byte {
	start := 0
	for i := 0; i < len(text); {
		b := text[i]
		if b >= ' ' && b < utf8.RuneSelf && b != '"' && b != '\\' {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(text[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		buf = append(buf, text[start:i]...)
		buf = appendJSONByte(buf, b)
		i++
		start = i
	}
	return append(buf, text[start:]...)
}

// appendJSONByte appends a byte that cannot stand for itself.
func appendJSONByte(buf []byte, b byte) []byte {
	switch {
	case b == '"' || b == '\\':
		return append(buf, '\\', b)
	case b == '\t':
		return append(buf, '\\', 't')
	case b == '\r':
		return append(buf, '\\', 'r')
	case b == '\n':
		return append(buf, '\\', 'n')
	case b < ' ':
		return append(buf, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
	default:
		return append(buf, '\\', '\\', 'x', hexDigits[b>>4], hexDigits[b&15])
	}
}

// appendValidUTF8 appends text with every byte that is no UTF-8 as \x and two
// digits.
func appendValidUTF8(buf, text []byte) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			buf = append(buf, '\\', 'x', hexDigits[text[i]>>4], hexDigits[text[i]&15])
		} else {
			buf = append(buf, text[i:i+size]...)
		}
		i += size
	}
	return buf
}
