package xattr

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// Of returns the extended attributes of a file, or of a symbolic link itself: those that travel,
// and the names of the others. One that is gone by the time it is read is none. An error is a
// *fs.PathError.
func Of(path string) (travelling map[string]string, others []string, err error) {
	list, err := Sized(func(into []byte) (int, error) { return unix.Llistxattr(path, into) })
	if errors.Is(err, unix.ENOTSUP) || err == nil && len(list) == 0 {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, &fs.PathError{Op: "list the extended attributes of", Path: path, Err: err}
	}
	travelling = map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if !Travels(name) {
			others = append(others, name)
			continue
		}
		value, err := Sized(func(into []byte) (int, error) { return unix.Lgetxattr(path, name, into) })
		switch {
		case errors.Is(err, gone) || errors.Is(err, unix.ENOTSUP):
		case err != nil:
			return nil, nil, &fs.PathError{Op: "read the extended attribute " + name + " of", Path: path, Err: err}
		default:
			travelling[name] = string(value)
		}
	}
	return travelling, others, nil
}

// Sized calls with ever more room for what is returned.
func Sized(call func([]byte) (int, error)) ([]byte, error) {
	for size := 256; ; size *= 4 {
		into := make([]byte, size)
		n, err := call(into)
		if errors.Is(err, unix.ERANGE) && size < 1<<20 {
			continue
		}
		if err != nil {
			return nil, err
		}
		return into[:n], nil
	}
}
