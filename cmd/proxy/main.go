// Command proxy is the public entry of the stack; see package proxy.
package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/proxy"
)

func main() { os.Exit(proxy.Main(os.Args)) }
