package logging

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const consoleTime = "2006-01-02T15:04:05.000Z"

// consoleHandler writes lines for people:
//
//	2026-01-31T10:00:00.000Z INFO  convex answers url=http://convex:3210 took=1.2s
//	2026-01-31T10:00:01.000Z INFO  web | listening on port 3000
type consoleHandler struct {
	out    sink
	level  slog.Leveler
	attrs  string // rendered already, each with a leading blank
	child  string
	groups string
	whole  bool // lines of any length
}

func newConsoleHandler(out sink, level slog.Leveler) *consoleHandler {
	return &consoleHandler{out: out, level: level}
}

func (h *consoleHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

func (h *consoleHandler) Handle(_ context.Context, r slog.Record) error {
	buffer, _ := lineBuffers.Get().(*[]byte)
	child := h.childOf(r)
	buf := h.appendLine((*buffer)[:0], r, child)
	for range shortenings {
		if len(buf) > longestLine && child == "" && !h.whole && h.level.Level() > slog.LevelDebug {
			r = shorten(r, len(buf))
			buf = h.appendLine(buf[:0], r, child)
		}
	}
	_, err := h.out.Write(buf)
	if cap(buf) <= maxPooledLine {
		*buffer = buf
		lineBuffers.Put(buffer)
	}
	return err
}

func (h *consoleHandler) appendLine(buf []byte, r slog.Record, child string) []byte {
	buf = r.Time.UTC().AppendFormat(buf, consoleTime)
	buf = appendLevel(buf, r.Level)
	if child != "" {
		buf = append(append(buf, child...), " | "...)
	}
	buf = appendPrintable(buf, []byte(r.Message))
	buf = append(buf, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != ChildKey || h.groups != "" {
			buf = appendAttr(buf, h.groups, a)
		}
		return true
	})
	return append(buf, '\n')
}

// lineBuffers are shared by all handlers: a proxy logs every request.
var lineBuffers = sync.Pool{New: func() any { return new(make([]byte, 0, 512)) }}

const maxPooledLine = 16 << 10

func appendLevel(buf []byte, level slog.Level) []byte {
	switch level {
	case slog.LevelInfo:
		return append(buf, " INFO  "...)
	case slog.LevelWarn:
		return append(buf, " WARN  "...)
	default:
		return fmt.Appendf(buf, " %-5s ", level)
	}
}

// childOf returns the child that a line is from, or "".
func (h *consoleHandler) childOf(r slog.Record) string {
	if h.groups != "" {
		return h.child
	}
	return cmp.Or(childOf(r), h.child)
}

func childOf(r slog.Record) (child string) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == ChildKey {
			child = a.Value.String()
		}
		return true
	})
	return child
}

func (h *consoleHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	var rendered []byte
	for _, a := range attrs {
		if a.Key == ChildKey && h.groups == "" {
			next.child = a.Value.String()
			continue
		}
		rendered = appendAttr(rendered, h.groups, a)
	}
	next.attrs += string(rendered)
	return &next
}

func (h *consoleHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.groups += name + "."
	return &next
}

func appendAttr(buf []byte, prefix string, a slog.Attr) []byte {
	value := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return buf
	}
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range value.Group() {
			buf = appendAttr(buf, prefix, member)
		}
		return buf
	}
	buf = append(append(append(append(buf, ' '), prefix...), a.Key...), '=')
	return appendValue(buf, value)
}

func appendValue(buf []byte, value slog.Value) []byte {
	var text string
	switch value.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(buf, value.Int64(), 10)
	case slog.KindDuration:
		text = roundDuration(value.Duration()).String()
	case slog.KindTime:
		text = value.Time().UTC().Format(consoleTime)
	default:
		text = value.String()
	}
	if needsQuotes(text) {
		return strconv.AppendQuote(buf, text)
	}
	return append(buf, text...)
}

func needsQuotes(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c == '"' || c >= 0x7f {
			return strings.ContainsFunc(text, func(r rune) bool { return r == '"' || unicode.IsSpace(r) || !unicode.IsPrint(r) })
		}
	}
	return text == ""
}

// roundDuration keeps about three digits: nanoseconds in a log are noise.
func roundDuration(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 100)
		}
	}
	return d
}

// appendPrintable keeps a message on one line and free of terminal control
// sequences, which a child's output may carry.
func appendPrintable(buf, text []byte) []byte {
	start := 0
	for i := 0; i < len(text); {
		if b := text[i]; b >= ' ' && b < 0x7f || b == '\t' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if (r != utf8.RuneError || size > 1) && unicode.IsPrint(r) {
			i += size
			continue
		}
		buf = append(buf, text[start:i]...)
		buf = appendEscaped(buf, r, text[i:i+size])
		i += size
		start = i
	}
	return append(buf, text[start:]...)
}

func appendEscaped(buf []byte, r rune, raw []byte) []byte {
	if r == utf8.RuneError && len(raw) == 1 {
		return append(buf, '\\', 'x', hexDigits[raw[0]>>4], hexDigits[raw[0]&15])
	}
	quoted := strconv.QuoteRune(r)
	return append(buf, quoted[1:len(quoted)-1]...)
}

// childFormat formats the time anew only when it has changed.
func (h *consoleHandler) childFormat(name string) (childFormat, sink) {
	if h.attrs != "" || h.groups != "" || h.child != "" {
		return nil, nil
	}
	infix := fmt.Appendf(nil, " %-5s %s | ", slog.LevelInfo, name)
	var last int64
	var stamp []byte
	return func(buf []byte, now time.Time, line []byte) []byte {
		if ms := now.UnixMilli(); ms != last {
			last, stamp = ms, now.UTC().AppendFormat(stamp[:0], consoleTime)
		}
		buf = append(append(buf, stamp...), infix...)
		return append(appendPrintable(buf, line), '\n')
	}, h.out
}
