package push

// indexFormat changes when an index of an older program cannot be used any more.
const indexFormat = 1

// ModuleRole says what a module of a push request is for.
type ModuleRole string

// The roles.
const (
	RoleFunction   ModuleRole = "function"   // runs: functions, http, crons, auth.config, bundler chunks
	RoleSchema     ModuleRole = "schema"     // schema.js
	RoleDefinition ModuleRole = "definition" // convex.config.js
)

// RequestModule is one module of a push request and where it is in the file.
type RequestModule struct {
	Component   string     `json:"component,omitempty"` // definition path; "" is the app itself
	Role        ModuleRole `json:"role"`
	Path        string     `json:"path"`
	Environment string     `json:"environment"` // isolate or node; "" when the file does not say
	SHA256      string     `json:"sha256"`      // hex, over source and then source map, as get_config_hashes gives it
	At          span       `json:"at"`          // of the module's object
}

// RequestIndex is what a push needs to know of a request file without reading
// the sources in it. It is made once at image build and kept beside the file.
type RequestIndex struct {
	Format           int             `json:"format"`
	Size             int64           `json:"size"`   // of the request file, bytes
	SHA256           string          `json:"sha256"` // of the request file, hex
	UDFServerVersion string          `json:"udf_server_version"`
	NodeVersion      string          `json:"node_version,omitempty"`
	DryRun           bool            `json:"dry_run,omitempty"`
	Modules          []RequestModule `json:"modules"`
	Components       int             `json:"components"` // component definitions
	// HashedModules counts the modules of which the file has only the hash: those
	// exist in the deployment that the file was made against, and nowhere else.
	HashedModules int `json:"hashed_modules,omitempty"`

	// Where the parts are that a push replaces. KeyIsReal: the key in the file
	// looks like one that opens a deployment.
	Key             span `json:"key"`
	KeyIsReal       bool `json:"key_is_real,omitempty"`
	ChangedModules  span `json:"changed_modules"`
	UnchangedHashes span `json:"unchanged_hashes"` // empty when the file has no such field
}

// Functions returns the app's own runtime modules, the only ones that a backend
// takes as hashes.
func (x *RequestIndex) Functions() []RequestModule {
	var own []RequestModule
	for _, m := range x.Modules {
		if m.Component == "" && m.Role == RoleFunction {
			own = append(own, m)
		}
	}
	return own
}
