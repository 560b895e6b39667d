package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/cli"
)

func main() { os.Exit(cli.Main(command())) }
