// Command bench compares ways to bring a Convex backend up to date, side by side
// on the same simulator: the classic sequence of a shell script (one start of the
// convex CLI per variable, then `convex deploy`), platform-entrypoint with the
// CLI driver, and with the native driver; cold and warm, with wall time and peak
// memory. It needs the built binaries and the packages of an app (make bench).
//
// It measures what a boot does to the backend, not the backend: the simulator
// answers at once.
package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/cli"
)

func main() { os.Exit(cli.Main(command())) }
