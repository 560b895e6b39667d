package protocol

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
)

// ClientMessage is a message of a sync client, all types in one
// (src/browser/sync/protocol.ts of the convex package).
type ClientMessage struct {
	Type          string                 `json:"type"`
	BaseVersion   uint32                 `json:"baseVersion"`
	NewVersion    uint32                 `json:"newVersion"`
	TokenType     string                 `json:"tokenType"`
	Value         string                 `json:"value"`
	Modifications []QuerySetModification `json:"modifications"`
	SessionID     string                 `json:"sessionId"`
	RequestID     uint32                 `json:"requestId"`
	UDFPath       string                 `json:"udfPath"`
	ComponentPath string                 `json:"componentPath"`
	Args          json.RawMessage        `json:"args"`
}

// QuerySetModification is one change of what a client watches.
type QuerySetModification struct {
	Type          string          `json:"type"` // "Add" or "Remove"
	QueryID       uint32          `json:"queryId"`
	UDFPath       string          `json:"udfPath"`
	ComponentPath string          `json:"componentPath"`
	Args          json.RawMessage `json:"args"`
	Journal       *string         `json:"journal"`
}

// Transition brings a client from one version to the next.
type Transition struct {
	Type          string       `json:"type"`
	StartVersion  StateVersion `json:"startVersion"`
	EndVersion    StateVersion `json:"endVersion"`
	Modifications []any        `json:"modifications"`
}

// StateVersion is what a client has been told of.
type StateVersion struct {
	QuerySet uint32    `json:"querySet"`
	Identity uint32    `json:"identity"`
	TS       Timestamp `json:"ts"`
}

// Timestamp is a number of nanoseconds, on the wire eight bytes in base64.
type Timestamp uint64

// MarshalJSON writes the wire form.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, uint64(t))))
}

// QueryUpdated is a modification with a new result.
type QueryUpdated struct {
	Type     string   `json:"type"`
	QueryID  uint32   `json:"queryId"`
	Value    any      `json:"value"`
	LogLines []string `json:"logLines"`
	Journal  *string  `json:"journal"`
}

// QueryFailed is a modification with an error.
type QueryFailed struct {
	Type         string          `json:"type"`
	QueryID      uint32          `json:"queryId"`
	ErrorMessage string          `json:"errorMessage"`
	ErrorData    json.RawMessage `json:"errorData,omitempty"`
	LogLines     []string        `json:"logLines"`
	Journal      *string         `json:"journal"`
}

// QueryRemoved confirms that a query is no longer watched.
type QueryRemoved struct {
	Type    string `json:"type"`
	QueryID uint32 `json:"queryId"`
}

// FunctionRan answers a Mutation or an Action. The result of one that failed is its
// message.
type FunctionRan struct {
	Type      string          `json:"type"`
	RequestID uint32          `json:"requestId"`
	Success   bool            `json:"success"`
	Result    any             `json:"result"`
	ErrorData json.RawMessage `json:"errorData,omitempty"`
	TS        *Timestamp      `json:"ts,omitempty"` // of a mutation that succeeded
	LogLines  []string        `json:"logLines"`
}

// AuthError refuses an Authenticate.
type AuthError struct {
	Type                string `json:"type"`
	Error               string `json:"error"`
	BaseVersion         uint32 `json:"baseVersion"`
	AuthUpdateAttempted bool   `json:"authUpdateAttempted"`
}

// FatalError ends a connection for good.
type FatalError struct {
	Type  string `json:"type"`
	Error string `json:"error"`
}

// Ping is the message of an idle connection.
type Ping struct {
	Type string `json:"type"`
}
