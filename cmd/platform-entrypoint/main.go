// Command platform-entrypoint boots and runs Tale's platform container.
package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/platform"
)

func main() {
	os.Exit(cli.Main(platform.Command(config.FromOS())))
}
