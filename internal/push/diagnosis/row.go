package diagnosis

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// row is one entry of the catalogue: what it applies to, and what is known about
// it. Of codes, conditions, statuses and transport, the ones that are set must
// match; the first matching row of the catalogue counts.
type row struct {
	codes      []string
	codeLike   func(code string) bool // instead of codes, for a family of names
	family     string                 // how docs call that family
	conditions []Condition
	statuses   []int // with codes: only these; alone: answers without a code
	transport  []netcause.Kind
	stages     []backend.Stage // nil: every stage
	seen       []backend.Stage // where it is known to occur, for the docs; it is recognised everywhere
	contains   string          // in the backend's message

	cause string
	fix   []string
	retry Retry
	pace  Pace
	exit  int
}

func (r row) matches(o Observation) bool {
	return r.matchesSubject(o) &&
		(r.stages == nil || slices.Contains(r.stages, o.Stage)) &&
		(r.statuses == nil || slices.Contains(r.statuses, o.Status)) &&
		strings.Contains(o.Message, r.contains)
}

// matchesSubject checks what kind of thing the observation is: a condition of
// ours, a missing answer, a code, or an answer without a code, in this order.
func (r row) matchesSubject(o Observation) bool {
	switch {
	case o.Condition != "":
		return slices.Contains(r.conditions, o.Condition)
	case o.Transport != netcause.None:
		return slices.Contains(r.transport, o.Transport)
	case r.codeLike != nil:
		return r.codeLike(o.Code)
	case o.Code != "":
		return slices.Contains(r.codes, o.Code)
	}
	return r.codes == nil && r.conditions == nil && r.transport == nil && r.statuses != nil
}

// diagnose fills the observation's facts into the row's texts.
func (r row) diagnose(o Observation) Diagnosis {
	facts := placeholders(o)
	d := Diagnosis{Known: true, Cause: facts.Replace(r.cause), Retry: r.retry, Pace: r.pace, Exit: r.exit}
	for _, fix := range r.fix {
		d.Fix = append(d.Fix, facts.Replace(fix))
	}
	return d
}

// oldFunctionsRun is what a push that failed leaves, unless it is the first one.
const oldFunctionsRun = "the old functions keep running"

// placeholders returns the facts that a row's texts may contain, in braces.
func placeholders(o Observation) *strings.Replacer {
	table := o.Table
	if table == "" {
		table = "(see its words)"
	}
	component := ""
	if o.Component != "" {
		component = ` of the component "` + o.Component + `"`
	}
	old := oldFunctionsRun
	if o.First {
		old = "nothing had been deployed before, so the site stays down until a push succeeds"
	}
	return strings.NewReplacer(
		"{old}", old,
		"{stage}", string(o.Stage),
		"{limit}", shortDuration(o.Limit),
		"{table}", table,
		"{component}", component,
		"{reason}", o.Reason,
		"{indexes}", fmt.Sprintf("%d of %d", o.Progress.IndexesComplete, o.Progress.IndexesTotal),
		"{code}", o.Code,
		"{status}", strconv.Itoa(o.Status),
	)
}

// shortDuration formats a limit as people write it: 5m, not 5m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
