package stack

import (
	"fmt"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Release is what a service is a part of.
type Release struct {
	Version string `env:"TALE_VERSION" tier:"operator" doc:"Version of the application. convex seeds its data folder once per version and refuses a lower one than has used it; without one it is the version dev."`
}

// Wait says how long a boot waits for what it needs.
type Wait struct {
	WaitTimeout time.Duration `env:"CONVEX_WAIT_TIMEOUT" envDefault:"120" doc:"How long platform waits for the backend; how long convex waits for the database, and for each start of the backend until it answers. Big databases need longer." accept:"seconds (\"300\") or a duration (\"5m\"), more than 0"`
}

// Validate refuses not to wait.
func (w Wait) Validate() config.Problems {
	if w.WaitTimeout > 0 {
		return nil
	}
	return config.Problems{{Variable: "CONVEX_WAIT_TIMEOUT", Wrong: "is 0", Accepted: "a duration above 0"}}
}

// StopTimeout says how long the first step of a stop may take.
type StopTimeout struct {
	Timeout time.Duration `env:"SHUTDOWN_TIMEOUT_SECONDS" tier:"advanced" envDefault:"30" doc:"How long the web server may take to end after SIGTERM before it is killed, and the backend to finish its requests after the first SIGINT before the second."`
}

// StopGrace says how long the last step of a stop may take.
type StopGrace struct {
	Grace time.Duration `env:"SHUTDOWN_GRACE_SECONDS" tier:"advanced" envDefault:"5" doc:"How long the proxy lets running requests finish after a stop signal, and how long the backend may take after the second SIGINT before it is killed." accept:"a duration of at least 1s, such as 5 or 30s"`
}

// Validate refuses less than a second: zero would be "for ever" to Caddy, and one
// open event stream could then hold the process until it is killed.
func (g StopGrace) Validate() config.Problems {
	if g.Grace >= time.Second {
		return nil
	}
	return config.Problems{{Variable: "SHUTDOWN_GRACE_SECONDS", Wrong: fmt.Sprintf("%v is too short", g.Grace), Accepted: "a duration of at least 1s"}}
}
