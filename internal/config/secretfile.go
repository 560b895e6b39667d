package config

import (
	"fmt"
	"os"
	"strings"
)

// readSecret fills in the value of a secret that is in a file.
func readSecret(v Variable, path string, values Environ) Problems {
	if values[v.Name] != "" {
		return Problems{{Variable: v.Name, Wrong: "is set, and so is " + v.FileName(), Accepted: "one of the two"}}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return Problems{{Variable: v.FileName(), Wrong: fmt.Sprintf("cannot be read: %v", explainUnreadable(path, err)), Accepted: "the path of a readable file that holds the value"}}
	}
	// Editors and `echo` end a file with a line break that is not part of the secret.
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if value == "" {
		return Problems{{Variable: v.FileName(), Wrong: fmt.Sprintf("names the file %s, which is empty", path), Accepted: "a file that holds the value"}}
	}
	values[v.Name] = value
	return nil
}
