// Package signame reads signals as people write them.
package signame

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Last is the highest signal number of Linux.
const Last = 64

// Parse reads a signal: TERM, SIGTERM, in any case, or its number.
func Parse(text string) (syscall.Signal, error) {
	if number, err := strconv.Atoi(text); err == nil {
		if number < 1 || number > Last {
			return 0, fmt.Errorf("a signal number is from 1 to %d, not %d", Last, number)
		}
		return syscall.Signal(number), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	return 0, fmt.Errorf("unknown signal %q; use a name such as TERM or a number", text)
}
