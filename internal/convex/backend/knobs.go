package backend

import (
	"slices"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/config"
)

// defaultKnobs returns the values of the backend's tuning variables that the
// environment does not set. The first block is what the image has always set, but for
// RUST_LOG; it is repeated here so that a run outside that image behaves the same.
func defaultKnobs() map[string]string {
	return map[string]string{
		"DATABASE_UDF_USER_TIMEOUT_SECONDS":       "5", // default 1: idle tabs that all reconnect at once need longer
		"ISOLATE_MAX_USER_HEAP_SIZE":              "268435456",
		"ISOLATE_MAX_HEAP_EXTRA_SIZE":             "134217728",
		"ISOLATE_IDLE_TIMEOUT_SECONDS":            "3600",
		"ISOLATE_MAX_LIFETIME_SECONDS":            "14400",
		"ACTIONS_USER_TIMEOUT_SECS":               "1800",
		"APPLICATION_MAX_CONCURRENT_QUERIES":      "32",
		"APPLICATION_MAX_CONCURRENT_MUTATIONS":    "32",
		"APPLICATION_MAX_CONCURRENT_V8_ACTIONS":   "32",
		"APPLICATION_MAX_CONCURRENT_NODE_ACTIONS": "32",
		"NODE_ENV": "production",
		// common::errors prints the cause of every 5xx and of every fatal error, at
		// error; what users cause is at warn there.
		"RUST_LOG": "info,common::errors=error,isolate::client=off,application::scheduled_jobs=off",

		// As the compose file of official self-hosting. The backend's own default is
		// 30 days of old revisions (14 in newer releases), which fills disks.
		"DOCUMENT_RETENTION_DELAY": "172800",
		// The backend reports to api.convex.dev otherwise. It refuses to start with
		// an empty value, which withKnobs drops.
		"DISABLE_BEACON": "true",

		// The backend's own default flips in upstream's compose file; the
		// platform's /metrics/convex reads this endpoint.
		"DISABLE_METRICS_ENDPOINT": "false",
		// Colours would stand in the log as escape sequences.
		"NO_COLOR": "1",
	}
}

// retiredKnobs returns variables that newer backends ignore, with their successors,
// which get their values too, so that a setting survives an upgrade.
func retiredKnobs() map[string][]string {
	return map[string][]string{
		"ACTIONS_USER_TIMEOUT_SECS": {"V8_ACTION_USER_TIMEOUT_SECS", "NODE_ACTION_USER_TIMEOUT_SECS"},
	}
}

// withKnobs returns an environment completed with the defaults above.
func withKnobs(environ config.Environ) config.Environ {
	complete := config.Environ{}
	for name, value := range defaultKnobs() {
		complete[name] = value
	}
	for name, value := range environ {
		if _, ours := complete[name]; ours && value == "" {
			continue // compose passes NAME= for what was left out
		}
		complete[name] = value
	}
	for old, successors := range retiredKnobs() {
		for _, name := range successors {
			if complete[name] == "" {
				complete[name] = complete[old]
			}
		}
	}
	return complete
}

// OverriddenKnobs returns the tuning variables that the environment sets to other
// values than ours, for the log: a changed limit is the first thing to look at when
// actions time out.
func OverriddenKnobs(environ config.Environ) []string {
	var overridden []string
	for name, value := range defaultKnobs() {
		if set := environ[name]; set != "" && set != value {
			overridden = append(overridden, name+"="+set)
		}
	}
	slices.Sort(overridden)
	return overridden
}

// FunctionMemory returns the most memory that one function may take, in bytes. A
// knob that is no number counts as 0: the backend then uses a default of its own.
func FunctionMemory(environ config.Environ) uint64 {
	var most uint64
	knobs := withKnobs(environ)
	for _, name := range []string{"ISOLATE_MAX_USER_HEAP_SIZE", "ISOLATE_MAX_HEAP_EXTRA_SIZE"} {
		if size, err := strconv.ParseUint(knobs[name], 10, 64); err == nil {
			most += size
		}
	}
	return most
}
