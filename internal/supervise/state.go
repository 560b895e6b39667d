package supervise

import "fmt"

// State is where a service is in its life:
//
//	   ┌────────────── backoff ◄───────────┐
//	   ▼                                   │ restart allowed
//	starting ─► running ◄─► ready ─► exited ┤
//	               │          │            └─► failed (given up)
//	               └─► stopping ─► stopped (or backoff, of one that is replaced)
//
// A service is starting until its process was made, running until its probe
// passed, ready as long as the process lives and the probe passes, and exited
// from the moment its process has ended until what was left of it is gone.
type State int

// The states.
const (
	StateStarting State = iota + 1
	StateRunning
	StateReady
	StateExited
	StateBackoff
	StateStopping
	StateStopped
	StateFailed
)

var stateNames = [...]string{
	StateStarting: "starting", StateRunning: "running", StateReady: "ready", StateExited: "exited",
	StateBackoff: "backoff", StateStopping: "stopping", StateStopped: "stopped", StateFailed: "failed",
}

// String returns the state's name in lower case.
func (s State) String() string {
	if s < StateStarting || int(s) >= len(stateNames) {
		return fmt.Sprintf("state(%d)", int(s))
	}
	return stateNames[s]
}
