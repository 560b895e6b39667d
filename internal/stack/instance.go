package stack

import (
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// Instance says who the Convex backend is.
type Instance struct {
	Name   string        `env:"INSTANCE_NAME" envDefault:"tale_platform" doc:"Name of the Convex instance; admin keys are bound to it. With Postgres it is also the name of the database, - written as _." accept:"letters, digits, _ and -"`
	Secret config.Secret `env:"INSTANCE_SECRET,required" tier:"operator" secret:"true" doc:"Secret of the Convex instance, from which admin keys and sessions derive. The same in both containers." accept:"exactly 64 hex digits; make one with: openssl rand -hex 32. Official self-hosting has its own in credentials/instance_secret of its volume"`
}

// Validate reports a name or a secret that no admin key can be made of.
func (i Instance) Validate() config.Problems {
	var problems config.Problems
	if err := adminkey.CheckInstanceName(i.Name); err != nil {
		problems = append(problems, config.Problem{Variable: "INSTANCE_NAME", Wrong: err.Error()})
	}
	if _, err := adminkey.ParseSecret(i.Secret.Reveal()); err != nil {
		problems = append(problems, unusableSecret(i.Secret.Reveal(), err))
	}
	return problems
}

// unusableSecret tells a secret with something too much, which is not to be replaced by a new
// one, from what is none.
func unusableSecret(secret string, err error) config.Problem {
	problem := config.Problem{Variable: "INSTANCE_SECRET", Wrong: err.Error()}
	if len(config.LineStrays(problem.Variable, secret)) > 0 {
		problem.Accepted = "the same 64 hex digits without that; a new secret would not open what is there"
	}
	return problem
}

// AdminKey mints an admin key of the instance, of member 0.
func (i Instance) AdminKey() (string, error) { return i.AdminKeyFor(0) }

// AdminKeyFor mints an admin key of a member.
func (i Instance) AdminKeyFor(member uint64) (string, error) {
	return adminkey.MintFor(i.Name, i.Secret.Reveal(), member)
}

// Fingerprint identifies the secret in logs, equal in both containers when their
// secrets are. It is "" for a secret that Validate refuses.
func (i Instance) Fingerprint() string {
	secret, err := adminkey.ParseSecret(i.Secret.Reveal())
	if err != nil {
		return ""
	}
	return secret.Fingerprint()
}

// DatabaseName returns the Postgres database that the backend derives from the
// instance's name.
func (i Instance) DatabaseName() string { return strings.ReplaceAll(i.Name, "-", "_") }
