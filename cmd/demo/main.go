// Command demo runs the whole stack on this machine; see package demo.
package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/demo"
)

func main() { os.Exit(cli.Main(demo.Command(config.FromOS()))) }
