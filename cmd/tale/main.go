// Command tale deploys a stack of Tale's services and looks after it; see package tale.
package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale"
)

func main() { os.Exit(cli.Main(tale.Command(config.FromOS()))) }
