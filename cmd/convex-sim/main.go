// Command convex-sim simulates convex-local-backend; see package convexsim.
package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/convexsim/command"
)

func main() { os.Exit(cli.Main(command.New())) }
