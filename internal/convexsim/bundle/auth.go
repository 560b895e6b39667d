package bundle

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// AuthModule is the path of the module that configures authentication.
const AuthModule = "auth.config.js"

// AuthProvider is an entry of an auth.config. In a module it is unevaluated: a
// value is either a string literal or the name of an environment variable after
// "process.env.".
type AuthProvider struct {
	Domain        string `json:"domain"`
	ApplicationID string `json:"applicationID"`
}

// String returns the provider in the form that a push answers with.
func (p AuthProvider) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		return p.Domain
	}
	return string(text)
}

var (
	envRead       = regexp.MustCompile(`process\.env(?:\.([A-Za-z_]\w*)|\[\s*["']([A-Za-z_]\w*)["']\s*\])`)
	commentedLine = regexp.MustCompile(`(?m)^\s*//.*$`)
	providerPair  = regexp.MustCompile(`(?s)\bdomain\s*:\s*("[^"]*"|process\.env\.\w+)\s*,\s*applicationID\s*:\s*("[^"]*"|process\.env\.\w+)`)
)

const envPrefix = "process.env."

// AuthProviders reads the providers of an auth.config that are written plainly.
func AuthProviders(source string) []AuthProvider {
	var providers []AuthProvider
	for _, match := range providerPair.FindAllStringSubmatch(source, -1) {
		providers = append(providers, AuthProvider{Domain: strings.Trim(match[1], `"`), ApplicationID: strings.Trim(match[2], `"`)})
	}
	return providers
}

// EvaluateProviders puts the variables' values in.
func EvaluateProviders(providers []AuthProvider, environment map[string]string) []AuthProvider {
	evaluated := make([]AuthProvider, 0, len(providers))
	for _, p := range providers {
		evaluated = append(evaluated, AuthProvider{
			Domain: evaluateText(p.Domain, environment), ApplicationID: evaluateText(p.ApplicationID, environment),
		})
	}
	return evaluated
}

func evaluateText(text string, environment map[string]string) string {
	if name, ok := strings.CutPrefix(text, envPrefix); ok {
		return environment[name]
	}
	return text
}

// EnvironmentReads lists the variables that a bundled module's text reads, each
// once, in order of appearance.
func EnvironmentReads(source string) []string {
	var names []string
	for _, match := range envRead.FindAllStringSubmatch(commentedLine.ReplaceAllString(source, ""), -1) {
		name := match[1] + match[2]
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
