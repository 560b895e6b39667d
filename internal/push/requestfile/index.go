package requestfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
)

// indexFormat changes when an index of an older program cannot be used any more.
const indexFormat = 2

// Role says what a module of a push request is for.
type Role string

// The roles.
const (
	RoleFunction   Role = "function"   // runs: functions, http, crons, auth.config, bundler chunks
	RoleSchema     Role = "schema"     // schema.js
	RoleDefinition Role = "definition" // convex.config.js
)

// Module is one module of a push request and where it is in the file.
type Module struct {
	Component   string        `json:"component,omitempty"` // definition path; "" is the app itself
	Role        Role          `json:"role"`
	Path        string        `json:"path"`
	Environment string        `json:"environment"` // isolate or node; "" when the file does not say
	SHA256      string        `json:"sha256"`      // hex, over source and then source map, as get_config_hashes gives it
	At          jsonscan.Span `json:"at"`          // of the module's object
}

// Index is what a push needs to know of a request file without reading
// the sources in it. It is made once at image build and kept beside the file.
type Index struct {
	Size             int64    `json:"size"`   // of the request file, bytes
	SHA256           string   `json:"sha256"` // of the request file, hex
	UDFServerVersion string   `json:"udf_server_version"`
	NodeVersion      string   `json:"node_version,omitempty"`
	DryRun           bool     `json:"dry_run,omitempty"`
	ForCodegen       bool     `json:"for_codegen,omitempty"`
	Modules          []Module `json:"modules"`
	Components       int      `json:"components"` // component definitions
	// HashedModules counts the modules of which the file has only the hash: those
	// exist in the deployment that the file was made against, and nowhere else.
	HashedModules int `json:"hashed_modules,omitempty"`

	// Where the parts are that a push replaces. KeyIsReal: the key in the file
	// looks like one that opens a deployment.
	Key             jsonscan.Span `json:"key"`
	KeyIsReal       bool          `json:"key_is_real,omitempty"`
	ChangedModules  jsonscan.Span `json:"changed_modules"`
	UnchangedHashes jsonscan.Span `json:"unchanged_hashes"` // empty when the file has no such field

	// The compressed pieces: the length of each, bytes, and the SHA-256 of their file, hex.
	Pieces       []int64 `json:"pieces,omitempty"`
	PiecesSHA256 string  `json:"pieces_sha256,omitempty"`
}

// encode returns the index as it is kept: a JSON object that begins with its format
// and with the SHA-256 of what follows, so that one that is torn is none.
func (x *Index) encode() ([]byte, error) {
	object, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	fields := append(object[1:], '\n')
	return append(indexHead(fields), fields...), nil
}

func indexHead(fields []byte) []byte {
	sum := sha256.Sum256(fields)
	return fmt.Appendf(nil, `{"format":%d,"check":"%s",`, indexFormat, hex.EncodeToString(sum[:]))
}

func decodeIndex(data []byte) (*Index, error) {
	head := len(indexHead(nil))
	if len(data) < head || !bytes.HasPrefix(data, indexHead(data[head:])) {
		return nil, errors.New("its index is damaged, or not of this program's format")
	}
	var index Index
	data[head-1] = '{' // in place of the comma
	return &index, json.Unmarshal(data[head-1:], &index)
}

// Functions returns the app's own runtime modules, the only ones that a backend
// takes as hashes.
func (x *Index) Functions() []Module {
	var own []Module
	for _, m := range x.Modules {
		if m.Component == "" && m.Role == RoleFunction {
			own = append(own, m)
		}
	}
	return own
}
