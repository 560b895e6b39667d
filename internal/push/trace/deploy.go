package trace

import (
	"fmt"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
)

// Section is the name of the push in the boot report.
const Section = "deploy"

// Deploy is the push of the functions.
type Deploy struct {
	Driver    string         `json:"driver"`            // native or cli
	Skipped   string         `json:"skipped,omitempty"` // why nothing was pushed
	Ran       string         `json:"ran,omitempty"`     // what has shown then that functions run
	Attempts  int            `json:"attempts"`
	Stages    []PushStage    `json:"stages"`
	Modules   int            `json:"modules,omitempty"` // of the app's functions; those of components always go with source
	Changed   *int           `json:"changed,omitempty"` // of the modules, those sent with source; absent where it is not known
	Functions int            `json:"functions,omitempty"`
	Indexes   *IndexProgress `json:"indexes,omitempty"`
	Added     []string       `json:"added_indexes,omitempty"` // their names
	After     *AfterDeploy   `json:"after,omitempty"`
}

// Sent returns how many modules there are and how many of them went with source, as
// far as it is known.
func (d Deploy) Sent() string {
	if d.Changed == nil {
		return fmt.Sprintf("%d modules", d.Modules)
	}
	return fmt.Sprintf("%d of %d modules sent", *d.Changed, d.Modules)
}

// PushStage is one step of the push protocol.
type PushStage struct {
	Name          string       `json:"name"`
	State         report.State `json:"state"`
	Started       *time.Time   `json:"started,omitempty"`
	DurationMS    int64        `json:"duration_ms"` // of the requests that were answered
	BytesSent     int64        `json:"bytes_sent"`
	BytesReceived int64        `json:"bytes_received"`
	Status        int          `json:"status,omitempty"`
	Requests      int          `json:"requests,omitempty"`
}

// IndexProgress is the newest answer to wait_for_schema; until there is one, the
// indexes that start_push has added.
type IndexProgress struct {
	Complete         int  `json:"complete"`
	Total            int  `json:"total"`
	SchemaValidation bool `json:"schema_validated"`
}

// AfterDeploy is the function that ran after the push.
type AfterDeploy struct {
	Function   string `json:"function"`
	DurationMS int64  `json:"duration_ms"`
	Error      string `json:"error,omitempty"`
	Fix        string `json:"fix,omitempty"` // of the error
}
