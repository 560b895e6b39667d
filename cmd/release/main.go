// Command release makes a release of tale from its programs; see package publish.
package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate/publish"
)

func main() { os.Exit(cli.Main(publish.Command(config.FromOS()))) }
