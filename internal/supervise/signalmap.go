package supervise

import (
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/signame"
)

// SignalMap says which signal is sent on instead of a received one; 0 means
// that the signal is ignored.
type SignalMap map[syscall.Signal]syscall.Signal

// ParseSignalMap reads rules like "TERM=INT", "SIGHUP=0" or "15=2".
func ParseSignalMap(rules []string) (SignalMap, error) {
	m := SignalMap{}
	for _, rule := range rules {
		from, to, found := strings.Cut(rule, "=")
		if !found {
			return nil, fmt.Errorf("signal rule %q is not of the form FROM=TO", rule)
		}
		received, err := signame.Parse(from)
		if err != nil {
			return nil, fmt.Errorf("signal rule %q: %w", rule, err)
		}
		if to == "0" {
			m[received] = 0
			continue
		}
		if m[received], err = signame.Parse(to); err != nil {
			return nil, fmt.Errorf("signal rule %q: %w", rule, err)
		}
	}
	return m, nil
}

// target returns what to send on for a received signal; 0 is nothing. A whole group
// gets SIGSTOP for the terminal's stop signals: SIGTSTP, SIGTTIN and SIGTTOU
// have no effect on a group that no shell looks after.
func (m SignalMap) target(received syscall.Signal, group bool) syscall.Signal {
	if sig, mapped := m[received]; mapped {
		return sig
	}
	if group && suspends(received) {
		return unix.SIGSTOP
	}
	return received
}

// suspends reports whether a signal asks a job to suspend itself.
func suspends(sig syscall.Signal) bool {
	return sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU
}
