package bundle

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ConfigModule is the path of the module that defines an app.
const ConfigModule = "convex.config.js"

// EnvDeclaration is a variable that an app declares: defineApp({ env: {…} }).
type EnvDeclaration struct {
	Name     string   `json:"name"`
	Optional bool     `json:"optional,omitempty"`
	Literals []string `json:"literals,omitempty"` // all values that it may have; empty: any
}

// Check reports a value that is not as declared, in the backend's words.
func (d EnvDeclaration) Check(value string) error {
	if len(d.Literals) == 0 || slices.Contains(d.Literals, value) {
		return nil
	}
	var literals []string
	for _, literal := range d.Literals {
		literals = append(literals, fmt.Sprintf("v.literal(%q)", literal))
	}
	return fmt.Errorf("Value does not match validator.\nValue: %q\nValidator: v.union(%s)", value, strings.Join(literals, ", ")) //nolint:staticcheck // sent as it is
}

var (
	envOption   = regexp.MustCompile(`\benv\s*:\s*\{`)
	envEntry    = regexp.MustCompile(`^[\s,]*([A-Za-z_]\w*)\s*:\s*`)
	envOptional = regexp.MustCompile(`^[\w$.]*\boptional\(`)
	envLiteral  = regexp.MustCompile(`\bliteral\(\s*("[^"]*")\s*\)`)
)

// EnvDeclarations reads what an app declares with v.string(), v.literal(), v.union()
// and v.optional().
func EnvDeclarations(source string) []EnvDeclaration {
	var declared []EnvDeclaration
	for _, call := range CallsOf(source, LocalNames(source, "defineApp")) {
		option := envOption.FindStringIndex(source[call[1]:])
		end := Closing(source, call[1])
		if option == nil || call[1]+option[1] > end {
			continue
		}
		open := call[1] + option[1] - 1
		list := source[open+1 : Closing(source, open)-1]
		for entry := envEntry.FindStringSubmatch(list); entry != nil; entry = envEntry.FindStringSubmatch(list) {
			rest := list[len(entry[0]):]
			end := Closing(rest, strings.IndexByte(rest, '('))
			if end < 0 {
				break
			}
			declaration := EnvDeclaration{Name: entry[1], Optional: envOptional.MatchString(rest[:end])}
			for _, literal := range envLiteral.FindAllStringSubmatch(rest[:end], -1) {
				if value, err := strconv.Unquote(literal[1]); err == nil {
					declaration.Literals = append(declaration.Literals, value)
				}
			}
			declared, list = append(declared, declaration), rest[end:]
		}
	}
	return declared
}
