package cli

import (
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/sys/stopsignal"
)

const handlesStop = "handles-stop"

// HandlesStop returns the annotations of a command that acts on stop signals from
// its first line to its last: what it waits with (supervise.StopContext or
// supervise.Exec) takes over those that came before. All others end by such a
// signal.
func HandlesStop() map[string]string { return map[string]string{handlesStop: "true"} }

func releaseStop(command *cobra.Command, _ []string) {
	if _, handles := command.Annotations[handlesStop]; !handles {
		stopsignal.Release()
	}
}
