package supervise

import (
	"errors"
	"strings"
	"syscall"
	"time"
)

// Stream is the output of a child that a line was written to.
type Stream int

// The two outputs of a child.
const (
	Stdout Stream = iota + 1
	Stderr
)

// String returns "stdout" or "stderr".
func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// Process says how one child is started and stopped. The child gets its own
// process group, /dev/null as input, and is killed by the kernel should this
// process be killed.
type Process struct {
	// Name appears in the log as child=NAME.
	Name string
	// Argv is the command; a name without a slash is looked up in the PATH of Env.
	Argv []string
	// Dir is the working directory; empty means ours.
	Dir string
	// Env is the complete environment, each "NAME=VALUE". Nothing is inherited;
	// TALE_SUPERVISED_BY is added, by which stray descendants are recognised.
	Env []string
	// Stop holds the signals to the process group, in order. SIGKILL is always
	// the last and need not be listed.
	Stop []StopStep
	// Credential is who the child runs as; nil means as we do.
	Credential *Credential
	// Line gets each line of output, without its end and never longer than
	// MaxLine; longer ones come in pieces. Calls do not overlap, and line is
	// valid only during the call. A slow Line slows the child down. If Line is
	// nil the lines go to the logger.
	Line func(stream Stream, line []byte)
}

// StopStep is a signal to the process group and the time the group then has
// before the next step, or SIGKILL, follows.
type StopStep struct {
	Signal syscall.Signal
	Wait   time.Duration
}

// Credential is a user and a group to run as, without supplementary groups.
type Credential struct {
	UID, GID uint32
}

func (p Process) validate() error {
	if p.Name == "" {
		return errors.New("the process has no name")
	}
	if len(p.Argv) == 0 || p.Argv[0] == "" {
		return errors.New("the command is empty")
	}
	for _, arg := range p.Argv {
		if strings.IndexByte(arg, 0) >= 0 {
			return errors.New("an argument contains a NUL byte")
		}
	}
	return nil
}
