package push

import (
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// maxEvidence is how many of the CLI's last lines a failure shows.
const maxEvidence = 12

var (
	ansi = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]`)
	// noise is what the CLI's error reporting writes when it reaches nobody.
	noise = regexp.MustCompile(`(?i)sentry`)
)

// cliOutput relays what the CLI prints, line by line, and keeps the last lines as
// evidence. Nothing is concluded from them.
type cliOutput struct {
	log    *slog.Logger
	redact *Redactor
	stage  func() Stage      // the one that runs
	rename *strings.Replacer // the tap's address to the backend's

	mu   sync.Mutex
	last []string
}

func newCLIOutput(log *slog.Logger, redact *Redactor, stage func() Stage, rename *strings.Replacer) *cliOutput {
	return &cliOutput{log: log.With(slog.String(logging.ChildKey, "convex")), redact: redact, stage: stage, rename: rename}
}

// line relays a line and keeps it.
func (o *cliOutput) line(stream supervise.Stream, raw []byte) {
	if text := o.keep(stream, raw); text != "" {
		o.log.Info(text, slog.String("stage", string(o.stage())))
	}
}

// keep keeps a line as evidence and returns what is left of it.
func (o *cliOutput) keep(_ supervise.Stream, raw []byte) string {
	text := o.clean(string(raw))
	if text == "" || noise.MatchString(text) {
		return ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.last) == maxEvidence {
		o.last = append(o.last[:0], o.last[1:]...)
	}
	o.last = append(o.last, text)
	return text
}

// clean removes what is for terminals, what is secret, and the tap's address.
func (o *cliOutput) clean(text string) string {
	if at := strings.LastIndexByte(strings.TrimRight(text, "\r"), '\r'); at >= 0 {
		text = text[at+1:] // a terminal would show only what follows
	}
	text = strings.TrimRight(ansi.ReplaceAllString(text, ""), " \t\r")
	return o.redact.Redact(o.rename.Replace(text))
}

// evidence returns the last lines.
func (o *cliOutput) evidence() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.last...)
}
