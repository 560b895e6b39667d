// Command convex-entrypoint boots and runs Tale's convex container.
package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
)

func main() {
	os.Exit(cli.Main(convex.Command(config.FromOS())))
}
