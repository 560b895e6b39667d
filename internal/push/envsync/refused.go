package envsync

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
)

// Limits of the backend in February 2026, used only to find out which variable a
// refusal is about. Newer backends allow longer names.
const (
	knownNameLimit  = 40
	knownValueLimit = 8192
)

var (
	namePattern    = regexp.MustCompile(`^[a-zA-Z_]+[a-zA-Z0-9_]*$`)
	wordPattern    = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
	maxSizePattern = regexp.MustCompile(`max size: (\d+)`)
)

// explainRefusal adds to the cause which variable a refused batch is about, how
// long it is, and that none of the batch was applied.
func explainRefusal(cause string, o diagnosis.Observation, updates []backend.EnvUpdate) string {
	about := "the backend does not say which of the " + strconv.Itoa(len(updates)) + " changes it refuses"
	if culprits := findCulprits(o, updates); len(culprits) > 0 {
		about = strings.Join(culprits, "; ")
	}
	return fmt.Sprintf("%s: %s. Nothing of the batch was applied, the old values are live.", strings.TrimSuffix(cause, "."), about)
}

// findCulprits describes the variables a refusal is about. The server's message
// names it for some codes and only gives a size for others; the batch is never
// sent in parts to find out, because a good part would be applied.
func findCulprits(o diagnosis.Observation, updates []backend.EnvUpdate) []string {
	var found []string
	for _, update := range updates {
		if blamed(o, update) {
			found = append(found, describeUpdate(o, update))
		}
	}
	if len(found) == 0 && o.Code == "AuthConfigMissingEnvironmentVariable" {
		if name := namedVariable(o.Message); name != "" {
			found = append(found, name+" is not set in the deployment and not among the changes")
		}
	}
	return found
}

func blamed(o diagnosis.Observation, update backend.EnvUpdate) bool {
	switch o.Code {
	case "EnvironmentVariableValueTooLarge":
		return update.Value != nil && len(*update.Value) > valueLimit(o.Message)
	case "EnvironmentVariableNameTooLong":
		return len(update.Name) > knownNameLimit && mentions(o.Message, update.Name)
	case "EnvironmentVariableNameInvalid":
		return !namePattern.MatchString(update.Name)
	default:
		return mentions(o.Message, update.Name)
	}
}

func describeUpdate(o diagnosis.Observation, update backend.EnvUpdate) string {
	switch {
	case update.Value == nil:
		return update.Name + " is to be removed"
	case o.Code == "EnvironmentVariableValueTooLarge":
		return fmt.Sprintf("%s is %d bytes long, the limit is %d", update.Name, len(*update.Value), valueLimit(o.Message))
	case o.Code == "EnvironmentVariableNameTooLong":
		return fmt.Sprintf("the name %s is %d bytes long", update.Name, len(update.Name))
	}
	return fmt.Sprintf("%s (%d bytes)", update.Name, len(*update.Value))
}

// valueLimit returns the limit that the server states, or the one that is known.
func valueLimit(message string) int {
	if found := maxSizePattern.FindStringSubmatch(message); found != nil {
		if limit, err := strconv.Atoi(found[1]); err == nil {
			return limit
		}
	}
	return knownValueLimit
}

func mentions(message, name string) bool {
	return slices.Contains(wordPattern.FindAllString(message, -1), name)
}

// namedVariable takes the name out of "Environment variable X is used in auth config
// file but its value was not set", and its likes.
func namedVariable(message string) string {
	words := wordPattern.FindAllString(message, -1)
	for i, word := range words {
		if word == "variable" && i+1 < len(words) {
			return words[i+1]
		}
	}
	return ""
}

// describeDifferences returns how the deployment differs from what was written,
// without a value.
func describeDifferences(names []string, want, have map[string]string) string {
	var parts []string
	for _, name := range names {
		value, exists := have[name]
		state := fmt.Sprintf("%d bytes instead of %d", len(value), len(want[name]))
		switch {
		case !exists:
			state = "missing"
		case len(value) == len(want[name]):
			state = "another value of the same length"
		}
		parts = append(parts, name+": "+state)
	}
	return strings.Join(parts, "; ")
}
