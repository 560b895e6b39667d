// Command generate writes the generated documentation; run it with make docs.
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/tale-project/tale-runtime/test/docs"
)

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot generate the documentation:", err)
		os.Exit(1)
	}
}

func generate() error {
	for path, write := range docs.Pages() {
		var page bytes.Buffer
		if err := write(&page); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
