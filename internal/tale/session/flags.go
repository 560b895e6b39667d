package session

import (
	"time"

	"github.com/spf13/cobra"
)

// KeepFlag adds the flag that says how many releases keep their images.
func KeepFlag(command *cobra.Command, keep *uint) {
	command.Flags().UintVar(keep, "keep", 1, "how many releases (`N`) before the present one keep their images")
}

// WaitFlag adds the flag that says how long to wait for the lock.
func WaitFlag(command *cobra.Command, wait *time.Duration) {
	command.Flags().DurationVar(wait, "wait", 0, "wait this long (`TIME`) for another command to end")
	command.Flags().Lookup("wait").NoOptDefVal = "5m"
}
