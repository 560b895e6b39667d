package logging

import (
	"encoding/json"
	"log/slog"
	"time"
	"unicode/utf8"
)

// jsonHandler is slog's, with a fast way for lines of children.
type jsonHandler struct {
	slog.Handler
	out   sink
	level slog.Leveler
}

func newJSONHandler(out sink, level slog.Leveler) *jsonHandler {
	return &jsonHandler{slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}), out, level}
}

func (h *jsonHandler) WithAttrs(attrs []slog.Attr) slog.Handler { return h.Handler.WithAttrs(attrs) }

func (h *jsonHandler) WithGroup(name string) slog.Handler { return h.Handler.WithGroup(name) }

func (h *jsonHandler) childFormat(name string) (childFormat, sink) {
	quoted, err := json.Marshal(name)
	if err != nil {
		return nil, nil
	}
	tail := append(append([]byte(`,"`+ChildKey+`":`), quoted...), '}', '\n')
	return func(buf []byte, now time.Time, line []byte) []byte {
		buf = append(buf, `{"time":"`...)
		buf = now.AppendFormat(buf, time.RFC3339Nano)
		buf = append(buf, `","level":"INFO","msg":"`...)
		buf = appendJSON(buf, line)
		return append(append(buf, '"'), tail...)
	}, h.out
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
