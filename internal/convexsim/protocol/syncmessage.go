package convexsim

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
)

// clientMessage is a message of a sync client, all types in one
// (src/browser/sync/protocol.ts of the convex package).
type clientMessage struct {
	Type          string                 `json:"type"`
	BaseVersion   uint32                 `json:"baseVersion"`
	NewVersion    uint32                 `json:"newVersion"`
	TokenType     string                 `json:"tokenType"`
	Value         string                 `json:"value"`
	Modifications []querySetModification `json:"modifications"`
	RequestID     uint32                 `json:"requestId"`
	UDFPath       string                 `json:"udfPath"`
}

type querySetModification struct {
	Type    string          `json:"type"` // "Add" or "Remove"
	QueryID uint32          `json:"queryId"`
	UDFPath string          `json:"udfPath"`
	Args    json.RawMessage `json:"args"`
}

type transition struct {
	Type          string       `json:"type"`
	StartVersion  stateVersion `json:"startVersion"`
	EndVersion    stateVersion `json:"endVersion"`
	Modifications []any        `json:"modifications"`
}

type stateVersion struct {
	QuerySet uint32    `json:"querySet"`
	Identity uint32    `json:"identity"`
	TS       timestamp `json:"ts"`
}

// timestamp is a number of nanoseconds, on the wire eight bytes in base64.
type timestamp uint64

// MarshalJSON writes the wire form.
func (t timestamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, uint64(t))))
}

type queryUpdated struct {
	Type     string   `json:"type"`
	QueryID  uint32   `json:"queryId"`
	Value    any      `json:"value"`
	LogLines []string `json:"logLines"`
	Journal  *string  `json:"journal"`
}

type queryFailed struct {
	Type         string   `json:"type"`
	QueryID      uint32   `json:"queryId"`
	ErrorMessage string   `json:"errorMessage"`
	LogLines     []string `json:"logLines"`
	Journal      *string  `json:"journal"`
}

type queryRemoved struct {
	Type    string `json:"type"`
	QueryID uint32 `json:"queryId"`
}

// functionFailed answers a Mutation or an Action.
type functionFailed struct {
	Type      string   `json:"type"`
	RequestID uint32   `json:"requestId"`
	Success   bool     `json:"success"`
	Result    string   `json:"result"`
	LogLines  []string `json:"logLines"`
}

type authError struct {
	Type                string `json:"type"`
	Error               string `json:"error"`
	BaseVersion         uint32 `json:"baseVersion"`
	AuthUpdateAttempted bool   `json:"authUpdateAttempted"`
}

type fatalError struct {
	Type  string `json:"type"`
	Error string `json:"error"`
}

type ping struct {
	Type string `json:"type"`
}
