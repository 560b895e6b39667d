package session

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// KeepFlag adds the flag that says how many releases keep their images.
func KeepFlag(command *cobra.Command, keep *uint) {
	command.Flags().UintVar(keep, "keep", 1, "how many releases (`N`) before the present one keep their images")
}

// TimeoutFlag adds the flag that says how long something may take.
func TimeoutFlag(command *cobra.Command, timeout *time.Duration, usage string) {
	command.Flags().DurationVar(timeout, "timeout", 5*time.Minute, usage)
}

// CheckTimeout refuses a time in which nothing is done.
func CheckTimeout(timeout time.Duration) error {
	if timeout < time.Second {
		return exit.Errorf(exit.Usage, "--timeout is %s, in which nothing becomes ready: a second is the least", timeout)
	}
	return nil
}

// WaitFlag adds the flag that says how long to wait for the lock.
func WaitFlag(command *cobra.Command, wait *time.Duration) {
	command.Flags().DurationVar(wait, "wait", 0, "wait this long (`TIME`) for another command to end")
	command.Flags().Lookup("wait").NoOptDefVal = "5m"
}
