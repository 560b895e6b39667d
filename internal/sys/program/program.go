// Package program finds out why a file cannot be executed, which the kernel says in two
// words at most.
package program

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// headSize is how much of a file tells what it is, in bytes: the head of an ELF file up to
// the machine it is for.
const headSize = 20

// machines are those that an ELF file names (e_machine), as Go and Docker name them.
var machines = map[uint16]string{3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64"}

// Refused returns why a file that is there cannot be executed, as a predicate, and what to do
// about it; "" where it shows no reason.
func Refused(path string) (why, fix string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", ""
	case info.IsDir():
		return "is a folder", "name a program, which may be in it"
	case info.Mode()&0o111 == 0:
		return fmt.Sprintf("has no permission to be executed (mode %04o)", info.Mode().Perm()), "chmod +x " + path + " in the image"
	}
	if onNoexec(path) {
		return "is on a file system that is mounted noexec", "mount it with exec, or put the program where nothing is mounted"
	}
	if unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, 0) == unix.EACCES {
		return fmt.Sprintf("may not be executed by this user (mode %04o%s)", info.Mode().Perm(), ownerOf(info)), "chmod a+x " + path + " in the image"
	}
	return wrongHead(path)
}

func ownerOf(info os.FileInfo) string {
	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf(", of uid %d gid %d", system.Uid, system.Gid)
	}
	return ""
}

func onNoexec(path string) bool {
	var system unix.Statfs_t
	return unix.Statfs(path, &system) == nil && system.Flags&unix.ST_NOEXEC != 0
}

// runnable returns the machines whose programs this one runs.
func runnable() []string {
	if runtime.GOARCH == "amd64" {
		return []string{"amd64", "386"}
	}
	return []string{runtime.GOARCH}
}

// wrongHead returns what is wrong with the beginning of a file that may be executed.
func wrongHead(path string) (why, fix string) {
	file, err := os.Open(path)
	if err != nil {
		return "", "" // a program need not be readable
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, headSize)
	n, _ := io.ReadFull(file, head)
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")) && n == headSize:
		if machine := machines[binary.LittleEndian.Uint16(head[18:])]; machine != "" && !slices.Contains(runnable(), machine) {
			return "is a program for " + machine + ", and this container runs on " + runtime.GOARCH, "take the one for linux/" + runtime.GOARCH + ": build or pull the image for it"
		}
	case !bytes.HasPrefix(head, []byte("#!")):
		return "begins neither with #! nor as a program does", "begin a script with the line #!/bin/sh, or name its interpreter before it: sh " + path
	}
	return "", ""
}
