package convexcli

import (
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// maxEvidence is how many of the CLI's last lines a failure shows.
const maxEvidence = 12

var (
	ansi = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]`)
	// noise is what the CLI's error reporting writes when its server is unreachable.
	noise = regexp.MustCompile(`(?i)sentry`)
)

// Output relays what the CLI prints, line by line, and keeps the last lines as
// evidence. Nothing is concluded from them.
type Output struct {
	log    *slog.Logger
	redact *redact.Redactor
	stage  func() backend.Stage // the one that runs
	rename *strings.Replacer    // the tap's address to the backend's

	mu     sync.Mutex
	last   []string
	pieces func(supervise.Stream, string) string
}

// NewOutput relays to log. stage is the one that a line belongs to; rename replaces
// the address that the CLI was given by the one that people know.
func NewOutput(log *slog.Logger, secrets *redact.Redactor, stage func() backend.Stage, rename *strings.Replacer) *Output {
	return &Output{log: log.With(logging.ChildKey, "convex"), redact: secrets, stage: stage, rename: rename, pieces: redact.Pieces[supervise.Stream](secrets, supervise.CutLine)}
}

// Line relays a line and keeps it.
func (o *Output) Line(stream supervise.Stream, raw []byte) {
	if text := o.Keep(stream, raw); text != "" {
		o.log.Info(text, "stage", string(o.stage()))
	}
}

// Keep keeps a line as evidence and returns what is left of it.
func (o *Output) Keep(stream supervise.Stream, raw []byte) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.clean(o.pieces(stream, string(raw)))
	if text == "" || noise.MatchString(text) {
		return ""
	}
	if len(o.last) == maxEvidence {
		o.last = append(o.last[:0], o.last[1:]...)
	}
	o.last = append(o.last, text)
	return text
}

// clean removes what is for terminals, what is secret between that, and the tap's
// address.
func (o *Output) clean(text string) string {
	if at := strings.LastIndexByte(strings.TrimRight(text, "\r"), '\r'); at >= 0 {
		text = text[at+1:] // a terminal would show only what follows
	}
	text = strings.TrimRight(ansi.ReplaceAllString(text, ""), " \t\r")
	return o.redact.Redact(o.rename.Replace(text))
}

// Evidence returns the last lines.
func (o *Output) Evidence() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.last...)
}
