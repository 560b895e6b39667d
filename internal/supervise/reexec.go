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

// withVariable replaces a variable: of two with the same name a Go program
// sees the first.
func withVariable(env []string, name, value string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
	return append(env, name+"="+value)
}
