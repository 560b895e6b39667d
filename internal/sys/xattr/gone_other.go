//go:build !linux

package xattr

import "golang.org/x/sys/unix"

// gone is what the kernel says of an attribute that a file does not have.
const gone = unix.ENOATTR
