package envsync

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
)

// Waiting are changes that the deployed release refuses because of what its
// convex.config.ts declares, that a variable is required or what values it has, or
// because its auth.config reads one that would be removed. The release that is
// about to be pushed may be different, and so they wait for it. A backend checks a
// change of variables against what is deployed, and the end of a push against what is
// pushed (crates/application/src/lib.rs and deploy_config.rs, commit 94a42c3d).
type Waiting []waitingChange

type waitingChange struct {
	name   string
	remove bool
	words  string // the backend's, without the value
}

func (w Waiting) has(name string) bool {
	return slices.ContainsFunc(w, func(c waitingChange) bool { return c.name == name })
}

// without returns the updates that need not wait.
func (w Waiting) without(updates []backend.EnvUpdate) []backend.EnvUpdate {
	return slices.DeleteFunc(slices.Clone(updates), func(u backend.EnvUpdate) bool { return w.has(u.Name) })
}

// others returns the names that do not wait.
func (w Waiting) others(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), w.has)
}

// postpone lets those of the updates wait that err refuses for the sake of the
// deployed release. It reports whether there are any.
func (r *syncRun) postpone(err error, updates []backend.EnvUpdate) bool {
	if r.Pushed {
		return false
	}
	o := diagnosis.Observe(backend.StageUpdateEnv, err)
	before := len(r.result.Waiting)
	for _, u := range updates {
		remove := u.Value == nil
		refused := false
		switch o.Code {
		case codeRequired: // names all that are blocked
			refused = remove && mentions(o.Message, u.Name)
		case codeRead:
			refused = remove && namedVariable(o.Message) == u.Name
		case codeInvalid:
			refused = !remove && namedVariable(o.Message) == u.Name
		}
		if refused {
			r.result.Waiting = append(r.result.Waiting, waitingChange{u.Name, remove, withoutValue(r.Redact.Redact(o.Message))})
			r.Log.Info("a change waits for the push: the deployed release refuses it", "variable", u.Name, "remove", remove, "code", o.Code)
		}
	}
	return len(r.result.Waiting) > before
}

// The refusals that are about what the app declares or reads.
const (
	codeRequired = "RequiredEnvironmentVariable"
	codeInvalid  = "InvalidEnvironmentVariable"
	codeMissing  = "MissingEnvironmentVariables"
	codeRead     = "AuthConfigMissingEnvironmentVariable"
)

// Explain tells a push that failed because of a change that waits for it from one
// with a wrong value: no order of the two works.
func (w Waiting) Explain(f *diagnosis.Failure) {
	o := &f.Observation
	if o.Code == codeInvalid {
		o.Message = withoutValue(o.Message)
	}
	for _, c := range w {
		var theirs string
		switch {
		case c.remove:
			continue
		case o.Code == codeInvalid && namedVariable(o.Message) == c.name:
			theirs = "the new release refuses the old value"
		case o.Code == codeMissing && mentions(o.Message, c.name):
			theirs = "the new release requires it"
		default:
			continue
		}
		f.Diagnosis.Cause = fmt.Sprintf("Two releases are needed for the variable %s: the deployed release refuses the new value (%s), and %s.", c.name, c.words, theirs)
		f.Diagnosis.Fix = []string{
			"deploy a release first whose convex.config.ts accepts the old and the new value of " + c.name + " (v.union, v.optional)",
			"then this one",
		}
		return
	}
}

// withoutValue cuts the part of a refusal that shows the value, which may be a
// secret that we do not know.
func withoutValue(message string) string {
	for _, mark := range []string{"\nValue:", "\nPath:"} {
		message, _, _ = strings.Cut(message, mark)
	}
	return strings.TrimRight(message, ".")
}
