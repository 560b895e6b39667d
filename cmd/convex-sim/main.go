// Command convex-sim simulates convex-local-backend; see package convexsim.
package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/convexsim"
)

func main() { os.Exit(cli.Main(convexsim.Command())) }
