// Package status says how a project's stack is: what serves according to the proxy, each
// service, what differs from the files. Look gathers it with few calls to the engine,
// which change nothing; the rest is pure. It prints for people and for scripts, and
// takes part in no decision of a deploy.
package status

import (
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// schema is the version of the document.
const schema = 1

// Condition is how a stack is as a whole.
type Condition string

// Conditions, from good to bad.
const (
	Up       Condition = "up"
	Degraded Condition = "degraded" // it serves, and something does not work
	Down     Condition = "down"
)

// Document is the stack as it is.
type Document struct {
	Schema      int             `json:"schema"`
	Time        time.Time       `json:"time"`
	Project     string          `json:"project"`
	Folder      string          `json:"folder"`
	Condition   Condition       `json:"condition"`
	Reasons     []string        `json:"reasons"` // why it is not up
	Serving     Serving         `json:"serving"`
	Services    []Service       `json:"services"`
	Leftovers   []Leftover      `json:"leftovers"`
	Drift       string          `json:"drift,omitempty"` // why the files cannot be compared
	Lock        *project.Holder `json:"lock"`
	Disk        *Disk           `json:"disk"` // null where it cannot be seen from here
	Deploys     []project.Entry `json:"deploys"`
	Unread      string          `json:"unread,omitempty"`  // why the deploys cannot be read
	Restore     string          `json:"restore,omitempty"` // what one that was killed needs
	Development []Leftover      `json:"development"`       // containers of the development stack
	Engine      string          `json:"engine"`
}

// Serving is what visitors get.
type Serving struct {
	Known   bool       `json:"known"`         // the proxy says so; else it is what runs
	Why     string     `json:"why,omitempty"` // why the proxy does not
	Version string     `json:"version,omitempty"`
	Colour  string     `json:"colour,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
	URL     string     `json:"url,omitempty"`
}

// Service is one service of the project.
type Service struct {
	Service   string     `json:"service"`
	Colour    string     `json:"colour,omitempty"`
	Container string     `json:"container,omitempty"`
	Version   string     `json:"version,omitempty"`
	Image     string     `json:"image,omitempty"`
	ImageID   string     `json:"imageId,omitempty"`
	State     string     `json:"state"` // healthy, starting, unhealthy, running, exited, …, missing
	Reason    string     `json:"reason,omitempty"`
	Started   *time.Time `json:"started,omitempty"`
	Restarts  int        `json:"restarts"`
	Memory    int64      `json:"memory,omitempty"` // bytes, if asked for
	Drift     []string   `json:"drift,omitempty"`  // how it differs from the files
	Would     string     `json:"would,omitempty"`  // what a deploy does about it
	extra     bool       // tale.json does not list it any more
}

// Leftover is a container that does not serve.
type Leftover struct {
	Container string `json:"container"`
	Service   string `json:"service"`
	Version   string `json:"version,omitempty"`
	State     string `json:"state"`
	Then      string `json:"then,omitempty"` // what becomes of it
}

// Disk is the engine's.
type Disk struct {
	Free  int64 `json:"free"` // bytes
	Total int64 `json:"total"`
}

// ExitCode returns the code of the command.
func (d Document) ExitCode() int {
	switch d.Condition {
	case Down:
		return exit.Down
	case Degraded:
		return exit.Degraded
	default:
		return 0
	}
}
