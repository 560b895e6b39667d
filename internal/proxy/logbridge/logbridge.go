// Package logbridge writes Caddy's log into the process's own: a zap core, in
// Caddy's module namespace for those, on top of a slog handler. It neither
// formats nor filters by level; the handler does.
package logbridge

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"
	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"

	"github.com/tale-project/tale-runtime/internal/proxy/accesslog"
)

func init() { caddy.RegisterModule(Core{}) }

// Core is a zap core that writes to the handler of the process (host.Process), and
// nowhere where there is none. Caddy sets its log up before apps exist, so that Core
// takes what is current and does not ask the app.
//
// Caddy says at level info what an operator of many sites wants to know, such
// as every server that starts. Here that is the same list each time, so it
// becomes debug, except for news of certificates. Our own modules' levels stay.
type Core struct {
	fields []zapcore.Field
}

// CaddyModule returns the Caddy module information.
func (Core) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.logging.cores.slog",
		New: func() caddy.Module { return new(Core) },
	}
}

func handler() slog.Handler {
	if h := host.Current().Log; h != nil {
		return h
	}
	return slog.DiscardHandler
}

// Enabled implements zapcore.Core.
func (c *Core) Enabled(level zapcore.Level) bool {
	return handler().Enabled(context.Background(), slogLevel(level))
}

// With implements zapcore.Core.
func (c *Core) With(fields []zapcore.Field) zapcore.Core {
	return &Core{fields: slices.Concat(c.fields, fields)}
}

// Check implements zapcore.Core.
func (c *Core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if handler().Enabled(context.Background(), entryLevel(entry)) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *Core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	keepTrouble(entry, fields)
	level := entryLevel(entry)
	if slices.ContainsFunc(slices.Concat(c.fields, fields), isCancellation) {
		level = slog.LevelDebug // it was asked for
	}
	if !handler().Enabled(context.Background(), level) {
		return nil
	}
	record := slog.NewRecord(entry.Time, level, shown(entry.Message), 0)
	if entry.LoggerName != "" && !isOurs(entry.LoggerName) {
		record.AddAttrs(slog.String("logger", entry.LoggerName))
	}
	for _, field := range slices.Concat(c.fields, fields) {
		record.AddAttrs(attrs(field)...)
	}
	return handler().Handle(context.Background(), record)
}

// Sync implements zapcore.Core; the handler does not buffer.
func (c *Core) Sync() error { return nil }

func attrs(field zapcore.Field) []slog.Attr {
	if request, ok := field.Interface.(caddyhttp.LoggableHTTPRequest); ok {
		// Its query and its headers may hold secrets. The access log has what may
		// be shown of it, by this id.
		return []slog.Attr{slog.String(exchange.IDVar, request.Header.Get(exchange.IDHeader))}
	}
	if _, ok := field.Interface.(caddyhttp.LoggableHTTPHeader); ok {
		return nil // Caddy leaves out the headers that it knows for secrets
	}
	encoder := zapcore.NewMapObjectEncoder()
	field.AddTo(encoder)
	var all []slog.Attr
	for key, value := range encoder.Fields {
		all = append(all, slog.Any(key, redacted(value)))
	}
	return all
}

// redacted takes secrets out of a field, which may be a list or a group.
func redacted(value any) any {
	switch value := value.(type) {
	case string:
		return shown(value)
	case []any:
		for i := range value {
			value[i] = redacted(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = redacted(value[key])
		}
	}
	return value
}

// shown takes out of a text the secrets of URLs, which are known by where they
// stand, and those of this process.
func shown(text string) string {
	return host.Current().Redactor.Redact(accesslog.Redact(text))
}

func entryLevel(entry zapcore.Entry) slog.Level {
	if strings.HasPrefix(entry.LoggerName, "tls.issuance.") && strings.HasSuffix(entry.LoggerName, ".acme_client") {
		return slog.LevelDebug // the issuer says what came of it
	}
	if entry.Message == lockGone {
		return slog.LevelDebug
	}
	if entry.Level == zapcore.ErrorLevel || isOurs(entry.LoggerName) {
		return slogLevel(entry.Level)
	}
	if entry.Message == exiting || entry.LoggerName == "admin" || entry.Level == zapcore.InfoLevel && !isNews(entry) {
		return slog.LevelDebug
	}
	return slogLevel(entry.Level)
}

// exiting is a warning by which Caddy takes leave of a terminal.
const exiting = "exiting; byeee!! 👋"

// lockGone is an error by which Caddy complains at its end about a lock that it
// has just given back.
const lockGone = "unable to clean up lock in storage backend"

func isCancellation(field zapcore.Field) bool {
	err, ok := field.Interface.(error)
	return ok && errors.Is(err, context.Canceled)
}

// isNews reports whether something happened to a certificate, as opposed to being
// attempted.
func isNews(entry zapcore.Entry) bool {
	return strings.HasPrefix(entry.LoggerName, "tls.") && strings.HasPrefix(entry.Message, "certificate ")
}

// isOurs reports whether a module of this program writes; its levels are right.
func isOurs(logger string) bool {
	return logger == "http.reverse_proxy.upstreams.probed" || strings.HasPrefix(logger, "http.") && strings.Contains(logger, ".tale_")
}

func slogLevel(level zapcore.Level) slog.Level {
	switch {
	case level < zapcore.InfoLevel:
		return slog.LevelDebug
	case level == zapcore.InfoLevel:
		return slog.LevelInfo
	case level == zapcore.WarnLevel:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

var _ zapcore.Core = (*Core)(nil)
