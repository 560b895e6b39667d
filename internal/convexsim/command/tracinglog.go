package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
)

// tracingLog prints as the backend does, in the compact form of Rust's tracing without
// colours, so that who reads its log can be tested:
//
//	2026-08-22T10:00:00.123456Z  INFO model::migrations: Migrating to 125
type tracingLog struct {
	level  slog.Level
	target string // the attribute of this name: the crate and module of the backend
	fields string

	mu  *sync.Mutex
	out io.Writer
}

func newTracingLog(out io.Writer, level slog.Level) *slog.Logger {
	return slog.New(tracingLog{level: level, target: "convex_sim", mu: &sync.Mutex{}, out: out})
}

// Enabled implements slog.Handler.
func (l tracingLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= l.level
}

// Handle implements slog.Handler.
func (l tracingLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		l = l.with(a)
		return true
	})
	var line bytes.Buffer
	fmt.Fprintf(&line, "%s %5s %s: %s%s\n", r.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), r.Level, l.target, r.Message, l.fields)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.out.Write(line.Bytes())
	return err
}

// WithAttrs implements slog.Handler.
func (l tracingLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		l = l.with(a)
	}
	return l
}

// WithGroup implements slog.Handler; nothing here groups.
func (l tracingLog) WithGroup(string) slog.Handler { return l }

func (l tracingLog) with(a slog.Attr) tracingLog {
	text := a.Value.Resolve().String()
	if a.Key == "target" {
		l.target = text
		return l
	}
	if text == "" || strings.ContainsAny(text, " \"\n") {
		text = strconv.Quote(text)
	}
	l.fields += " " + a.Key + "=" + text
	return l
}
