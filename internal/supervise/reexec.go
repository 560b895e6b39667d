package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// preemptionMark, at the front of GODEBUG, switches off the signal (SIGURG)
// that the Go runtime sends itself. The second setting has no meaning to Go:
// it tells our mark from a user's own setting.
const preemptionMark = "asyncpreemptoff=1,exec=forward"

func preemptionOff() bool { return strings.HasPrefix(os.Getenv("GODEBUG"), preemptionMark) }

// reexecWithoutPreemption replaces this process by itself with preemption
// signals off, unless that was done already. It returns only when there is
// nothing to do or it failed.
func reexecWithoutPreemption() error {
	if preemptionOff() {
		return nil
	}
	value := preemptionMark
	if own := os.Getenv("GODEBUG"); own != "" {
		value += "," + own
	}
	return reexec(withVariable(os.Environ(), "GODEBUG", value))
}

// withVariable replaces a variable: of two with the same name a Go program
// sees the first.
func withVariable(env []string, name, value string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
	return append(env, name+"="+value)
}

// withoutReexecMark is the environment as it was before.
func withoutReexecMark(env []string) []string {
	var clean []string
	for _, pair := range env {
		value, marked := strings.CutPrefix(pair, "GODEBUG="+preemptionMark)
		switch own := strings.TrimPrefix(value, ","); {
		case !marked:
			clean = append(clean, pair)
		case own != "":
			clean = append(clean, "GODEBUG="+own)
		}
	}
	return clean
}

// reexec replaces this process by the same program with the same arguments; it
// keeps its pid. A signal meanwhile has its default effect, as it has in the
// first moments of any program; nothing is running yet that it could harm.
func reexec(env []string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	signal.Reset()
	err = syscall.Exec(self, os.Args, env)
	if errors.Is(err, os.ErrPermission) {
		// The new user may not get to where the program is. The link works all
		// the same, but the process is called "exe" in lists.
		err = syscall.Exec("/proc/self/exe", os.Args, env)
	}
	processTable().listen()
	return fmt.Errorf("cannot execute this program anew: %w", err)
}
