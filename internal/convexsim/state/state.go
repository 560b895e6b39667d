package state

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
)

// State is what a simulator has stored: what a deployment would consist of.
type State struct {
	// Environment has every variable's value in clear text.
	Environment map[string]string `json:"environment"`
	// Definitions are the active app, with the key "", and its components by
	// definition path.
	Definitions map[string]Definition `json:"definitions,omitempty"`
	// Components are the instances: from component path ("" is the app) to
	// definition path.
	Components map[string]Component `json:"components,omitempty"`
	// Schemas are all schema versions that still count, active and pending.
	Schemas []Schema `json:"schemas,omitempty"`
	// Packages are uploaded code that a finish_push may activate.
	Packages []Package `json:"packages,omitempty"`
	// Deployed has the key of the active package of each definition.
	Deployed map[string]string `json:"deployed,omitempty"`
	// Paused is set by an operator; no function runs then.
	Paused bool `json:"paused,omitempty"`
	// Pushes counts the pushes that were finished.
	Pushes int `json:"pushes"`
	// LastPush is the audit log's entry of the latest finished push.
	LastPush *PushEvent `json:"lastPush,omitempty"`
	// NodeVersion is the Node.js version that the latest finished push asked for.
	NodeVersion string `json:"nodeVersion,omitempty"`
	// Auth are the providers of the active auth.config.
	Auth []bundle.AuthProvider `json:"auth,omitempty"`
	// Files are the uploads, by storage id.
	Files map[string]File `json:"files,omitempty"`
	// NextID makes ids unique across restarts.
	NextID int `json:"nextId"`

	packageFolder string
}

// Definition is the code of the app or of one component definition.
type Definition struct {
	Modules          map[string]Module `json:"modules"`
	UDFServerVersion string            `json:"udfServerVersion,omitempty"`
}

// Component is one instance of a component definition.
type Component struct {
	ID         string `json:"id"`
	Definition string `json:"definition"`
	// Unmounted is set when the app stopped using it; its data would stay.
	Unmounted bool `json:"unmounted,omitempty"`
}

// File is an upload to file storage; its content is a file beside the state.
type File struct {
	ID          string `json:"id"` // the document's; the file is known by its UUID
	ContentType string `json:"contentType,omitempty"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"` // base64
}

// NewID returns an id that was not given before.
func (s *State) NewID(kind string) string {
	s.NextID++
	return fmt.Sprintf("%s%08d", kind, s.NextID)
}

// Clone copies everything that a transaction may change.
func (s State) Clone() State {
	s.Environment = maps.Clone(s.Environment)
	s.Definitions = maps.Clone(s.Definitions)
	s.Components = maps.Clone(s.Components)
	s.Schemas = slices.Clone(s.Schemas)
	s.Packages = slices.Clone(s.Packages)
	s.Deployed = maps.Clone(s.Deployed)
	s.Auth = slices.Clone(s.Auth)
	s.Files = maps.Clone(s.Files)
	return s
}
