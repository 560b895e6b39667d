package state

import (
	"path"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
)

// HTTPModule is the path of the module that has the HTTP actions.
const HTTPModule = "http.js"

// Module is a pushed module. Its source is not kept.
type Module struct {
	Environment string `json:"environment"` // "isolate" or "node"
	SHA256      string `json:"sha256"`      // over source, then source map
	Bytes       int    `json:"bytes"`       // of both together
	// Exports are the names it exports, functions among them.
	Exports []string `json:"exports,omitempty"`
	// Variables are the environment variables that an auth.config reads.
	Variables []string `json:"variables,omitempty"`
	// Declares are the environment variables that a convex.config declares.
	Declares []bundle.EnvDeclaration `json:"declares,omitempty"`
	// Providers are those of an auth.config, unevaluated.
	Providers []bundle.AuthProvider `json:"providers,omitempty"`
}

// Canonical returns the path a module is stored under.
func Canonical(modulePath string) string {
	if path.Ext(modulePath) == "" {
		return modulePath + ".js"
	}
	return modulePath
}

// IsDependency reports whether a module was bundled from a library.
func IsDependency(modulePath string) bool {
	return strings.HasPrefix(modulePath, "_deps/") || strings.HasPrefix(modulePath, "actions/_deps/")
}
