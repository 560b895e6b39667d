// Command helper is what the helper's image runs in tests: of tale it has this alone.
package main

import (
	"fmt"
	"os"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

func main() {
	err := engine.Helper(os.Args[2:], os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(exit.Code(err))
}
