//go:build !linux

package pglogin

import (
	"errors"
	"os"
)

// serviceFile returns the name of a file with some text.
func serviceFile(text string) (name string, remove func(), err error) {
	file, err := os.CreateTemp("", "pg_service")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.Remove(file.Name()) }
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err != nil {
		remove()
		return "", nil, err
	}
	return file.Name(), remove, nil
}
