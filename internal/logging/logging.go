// Package logging makes the one logger a process of ours writes with: the same
// shape from the first line to the last, for its own messages and for the
// lines of its children. It is not a log framework: everything else is log/slog.
package logging

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Formats of TALE_LOG_FORMAT. The format never depends on whether the output
// is a terminal: a log must look the same wherever it is read.
const (
	FormatConsole = "console"
	FormatJSON    = "json"
)

// ChildKey is the attribute that names the child process a line comes from.
const ChildKey = "child"

// Settings are the log settings every binary shares; embed them.
type Settings struct {
	LogFormat string `env:"TALE_LOG_FORMAT" tier:"operator" envDefault:"console" doc:"Shape of log lines." accept:"console, json"`
	LogLevel  string `env:"TALE_LOG_LEVEL" tier:"operator" envDefault:"info" doc:"Least severe level that is logged." accept:"debug, info, warn, error"`
}

// Validate reports an unknown format or level.
func (s Settings) Validate() config.Problems {
	return append(config.CheckOneOf("TALE_LOG_FORMAT", s.LogFormat, FormatConsole, FormatJSON),
		config.CheckOneOf("TALE_LOG_LEVEL", s.LogLevel, "debug", "info", "warn", "error")...)
}

// Logger returns the logger that the settings ask for. Settings that do not
// validate give the default shape, so that their problems can be logged. When
// w is a file, such as os.Stdout, a Writer stands before it: the reader of it
// is another process, and may be slow.
func (s Settings) Logger(w io.Writer) *slog.Logger {
	if file, ok := w.(*os.File); ok {
		w = NewWriter(file)
	}
	return New(w, s.LogFormat, s.level())
}

func (s Settings) level() slog.Level {
	switch strings.ToLower(s.LogLevel) {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// New returns a logger that writes to w in the given format. Give it a Writer
// where a slow reader must not hold up the process.
func New(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	if writer, ok := w.(*Writer); ok {
		writer.setNotice(func(dropped int) []byte {
			var line bytes.Buffer
			New(&line, format, level).Warn("log lines dropped: the reader of this log is too slow", "lines", dropped)
			return line.Bytes()
		})
	}
	if format == FormatJSON {
		return slog.New(newJSONHandler(newSink(w), level))
	}
	return slog.New(newConsoleHandler(newSink(w), level))
}

// Discard returns a logger that writes nowhere, for tests and for commands
// that print a result instead of a log.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
