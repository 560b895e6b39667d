package convexsim

import (
	"regexp"
	"slices"
	"strings"
)

// authModule is the path of the module that configures authentication.
const authModule = "auth.config.js"

// AuthProvider is an entry of an auth.config. In a module it is unevaluated: a
// value is either a string literal or the name of an environment variable after
// "process.env.".
type AuthProvider struct {
	Domain        string `json:"domain"`
	ApplicationID string `json:"applicationID"`
}

var (
	envRead       = regexp.MustCompile(`process\.env(?:\.([A-Za-z_]\w*)|\[\s*["']([A-Za-z_]\w*)["']\s*\])`)
	commentedLine = regexp.MustCompile(`(?m)^\s*//.*$`)
	providerPair  = regexp.MustCompile(`(?s)\bdomain\s*:\s*("[^"]*"|process\.env\.\w+)\s*,\s*applicationID\s*:\s*("[^"]*"|process\.env\.\w+)`)
)

const envPrefix = "process.env."

// authProviders reads the providers of an auth.config that are written plainly.
func authProviders(source string) []AuthProvider {
	var providers []AuthProvider
	for _, match := range providerPair.FindAllStringSubmatch(source, -1) {
		providers = append(providers, AuthProvider{Domain: strings.Trim(match[1], `"`), ApplicationID: strings.Trim(match[2], `"`)})
	}
	return providers
}

// evaluateProviders puts the variables' values in.
func evaluateProviders(providers []AuthProvider, environment map[string]string) []AuthProvider {
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

// environmentReads lists the variables that a bundled module's text reads, each
// once, in order of appearance.
func environmentReads(source string) []string {
	var names []string
	for _, match := range envRead.FindAllStringSubmatch(commentedLine.ReplaceAllString(source, ""), -1) {
		name := match[1] + match[2]
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// checkAuth refuses an auth.config that reads a variable which is not set. A
// default in the source (process.env.X ?? "…") does not help: reading is enough.
func checkAuth(module Module, environment map[string]string) error {
	for _, name := range module.Variables {
		if _, ok := environment[name]; ok || name == cloudURLVariable || name == siteURLVariable {
			continue
		}
		return badRequest("AuthConfigMissingEnvironmentVariable",
			"Environment variable %s is used in auth config file but its value was not set", name)
	}
	return nil
}

// reevaluateAuth is what the backend does after every change of the environment.
func reevaluateAuth(state *State) error {
	module, ok := state.Definitions[""].Modules[authModule]
	if !ok {
		return nil
	}
	return checkAuth(module, state.Environment)
}
