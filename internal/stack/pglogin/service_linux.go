package pglogin

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// serviceFile returns the name of a file with some text, which is on no disk.
func serviceFile(text string) (name string, remove func(), err error) {
	fd, err := unix.MemfdCreate("pg_service.conf", unix.MFD_CLOEXEC)
	if err != nil {
		return "", nil, err
	}
	file := os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd))
	remove = func() { _ = file.Close() }
	if _, err := file.WriteString(text); err != nil {
		remove()
		return "", nil, err
	}
	return file.Name(), remove, nil
}
