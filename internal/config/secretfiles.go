package config

import (
	"fmt"
	"os"
	"strings"
)

// SecretFiles are contents of mounted secret files by path, read by a user who
// may read what this one may not.
type SecretFiles map[string]string

// ReadSecretFiles reads the files that environ names for secrets of a settings
// struct. What cannot be read is left out: Load is the one that complains.
func ReadSecretFiles(settings any, environ Environ) SecretFiles {
	files := SecretFiles{}
	for _, v := range Describe(settings) {
		path := environ[v.FileName()]
		if v.FileName() == "" || path == "" {
			continue
		}
		if content, err := os.ReadFile(path); err == nil {
			files[path] = string(content)
		}
	}
	return files
}

// Load is the function Load, with these contents in place of what is on disk.
func (f SecretFiles) Load(target any, environ Environ) error {
	return load(target, environ, f)
}

func (f SecretFiles) read(path string) (string, error) {
	if content, ok := f[path]; ok {
		return content, nil
	}
	content, err := os.ReadFile(path)
	return string(content), err
}

// readSecret fills in the value of a secret that is in a file.
func (f SecretFiles) readSecret(v Variable, path string, values Environ) Problems {
	if values[v.Name] != "" {
		return Problems{{Variable: v.Name, Wrong: "is set, and so is " + v.FileName(), Accepted: "one of the two"}}
	}
	content, err := f.read(path)
	if err != nil {
		return Problems{{Variable: v.FileName(), Wrong: fmt.Sprintf("cannot be read: %v", explainUnreadable(path, err)), Accepted: "the path of a readable file that holds the value"}}
	}
	// Editors and `echo` end a file with a line break that is not part of the secret.
	value := strings.TrimSuffix(strings.TrimSuffix(content, "\n"), "\r")
	if value == "" {
		return Problems{{Variable: v.FileName(), Wrong: fmt.Sprintf("names the file %s, which is empty", path), Accepted: "a file that holds the value"}}
	}
	values[v.Name] = value
	return nil
}
