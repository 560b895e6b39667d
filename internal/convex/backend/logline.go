package backend

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// What the backend says in its log, as crates of get-convex/convex-backend print it at
// 5f66740a (2026-02) and at 94a42c3d (2026-08), with LOG_FORMAT unset:
//
//	2026-08-22T10:00:00.123456Z ERROR common::errors: Caught …

// SaysNothing reports whether a line of the backend is the one that follows each error
// for want of a Sentry account (common/src/errors.rs).
func SaysNothing(line string) bool {
	return strings.Contains(line, "common::errors") && strings.Contains(line, "Not reporting above error: Sentry is not configured")
}

// Phase is how far the backend is with the version of its database.
type Phase int

// The phases. The backend opens its ports before the first.
const (
	PhaseUnknown   Phase = iota // it has said nothing yet
	PhaseMigrating              // it looks, or makes it a newer one
	PhaseCurrent                // it is the one that this backend knows
	PhaseNewer                  // a newer backend has used it
)

// Database is what the backend says about the version of its database.
type Database struct {
	Phase   Phase
	Version int // it has, or it is being given; 0 where that is not known
	Newest  int // this backend knows; 0 where that is not known
}

// String tells the phase to people.
func (d Database) String() string {
	switch d.Phase {
	case PhaseMigrating:
		switch {
		case d.Version == 0:
			return "the backend looks at the version of its database"
		case d.Newest == 0:
			return fmt.Sprintf("the backend migrates its database to version %d", d.Version)
		}
		return fmt.Sprintf("the backend migrates its database: version %d of %d", d.Version, d.Newest)
	case PhaseCurrent:
		return fmt.Sprintf("the database has version %d", d.Version)
	case PhaseNewer:
		return fmt.Sprintf("the database has version %d, and this backend knows versions up to %d", d.Version, d.Newest)
	default:
		return "the backend has not said which version its database has"
	}
}

// databaseLines are the lines of model/src/migrations.rs and of migrations_model/src/lib.rs.
var databaseLines = map[Phase]*regexp.Regexp{
	PhaseMigrating: regexp.MustCompile(`Attempting migration|Migration worker failed|(?:Migrating to|Migrated|Executing Migration) (\d+)(?:/(\d+))?`),
	PhaseCurrent:   regexp.MustCompile(`db metadata version up to date at ((\d+))`),
	PhaseNewer:     regexp.MustCompile(`persisted db metadata version is ahead at (\d+), this binary is at (\d+)`),
}

// ReadDatabase returns what a line of the backend says about the version of its
// database, false for every other line.
func ReadDatabase(line string) (Database, bool) {
	if !strings.Contains(line, "migrations") || !strings.Contains(line, "model::migrations") && !strings.Contains(line, "migrations_model") {
		return Database{}, false
	}
	for phase, words := range databaseLines {
		if found := words.FindStringSubmatch(line); found != nil {
			version, _ := strconv.Atoi(found[1])
			newest, _ := strconv.Atoi(found[2])
			return Database{phase, version, newest}, true
		}
	}
	return Database{}, false
}

// lostModule is how Node.js says that a module which the backend has unpacked for its
// executor is gone (npm-packages/node-executor/src/source_package.ts).
var lostModule = regexp.MustCompile(`Cannot find module '[^']*/source/[^/']+/modules/([^']+\.js)'`)

// LostModule returns the module of "use node" functions that a line says the executor
// does not find, or "". It looks in the same folder until the backend is started again.
func LostModule(line string) string {
	if !strings.Contains(line, "Cannot find module") {
		return ""
	}
	if found := lostModule.FindStringSubmatch(line); found != nil {
		return found[1]
	}
	return ""
}
