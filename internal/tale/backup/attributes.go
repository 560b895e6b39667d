package backup

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/xattr"
)

// attributesOf returns the extended attributes of a file that a backup has.
func attributesOf(path string) (map[string]string, error) {
	attributes, _, err := allAttributesOf(path)
	return attributes, err
}

// allAttributesOf returns the names of the others as well.
func allAttributesOf(path string) (attributes map[string]string, others []string, err error) {
	size, err := unix.Llistxattr(path, nil)
	if errors.Is(err, unix.ENOTSUP) || size <= 0 && err == nil {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, &fs.PathError{Op: "llistxattr", Path: path, Err: err}
	}
	list := make([]byte, size+1<<10)
	if size, err = unix.Llistxattr(path, list); err != nil {
		return nil, nil, &fs.PathError{Op: "llistxattr", Path: path, Err: err}
	}
	attributes = map[string]string{}
	for name := range strings.SplitSeq(string(list[:size]), "\x00") {
		if name == "" {
			continue
		}
		if !xattr.Travels(name) {
			others = append(others, name)
			continue
		}
		value := make([]byte, 64<<10) // the most that Linux takes
		n, err := unix.Lgetxattr(path, name, value)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
			continue
		}
		if err != nil {
			return nil, nil, &fs.PathError{Op: "lgetxattr", Path: path, Err: err}
		}
		attributes[name] = string(value[:n])
	}
	return attributes, others, nil
}
