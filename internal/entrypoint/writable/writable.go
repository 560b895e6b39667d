// Package writable finds out whether folders can be written to, and says what to
// do about those that cannot.
package writable

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// Check proves that folders can be written to, by writing, and makes
// those that are missing. The error names every folder in the way and carries
// exit.NoPermission, or exit.Unavailable when a disk is full: then the same
// start works once there is space.
func Check(folders ...string) error {
	var said []string
	var found report.Failure
	var problems []error
	var failed string // what is below it fails for the same reason
	for _, folder := range folders {
		if failed != "" && strings.HasPrefix(folder, failed+"/") {
			continue
		}
		err := probe(folder)
		if err == nil {
			continue
		}
		failed = folder
		one := unwritable(folder, err)
		if len(problems) == 0 || one.Retryable {
			one.Fix = append(found.Fix, one.Fix...)
			found = one
		} else {
			found.Fix = append(found.Fix, one.Fix...)
		}
		said, problems = append(said, one.Message), append(problems, err)
	}
	if len(problems) == 0 {
		return nil
	}
	found.Message = strings.Join(said, "\n")
	return found.Err(errors.Join(problems...))
}

// WithExitCode gives an error its exit code: exit.Unavailable for a full disk,
// otherwise exit.NoPermission.
func WithExitCode(err error) error {
	if atomicfile.IsFull(err) {
		return exit.With(exit.Unavailable, err)
	}
	return exit.With(exit.NoPermission, err)
}

// probe leaves nothing behind. It writes data, as a full disk often has room
// for an empty file.
func probe(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, ".writable-*")
	if err != nil {
		return err
	}
	_, err = file.Write(bytes.Repeat([]byte{1}, 4096))
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}

// unwritable says whose folder it is and what to do.
func unwritable(folder string, err error) report.Failure {
	said := "cannot write to " + folder + ": "
	switch {
	case atomicfile.IsFull(err):
		return report.New(exit.Unavailable, said+"the disk is full ("+err.Error()+")",
			"the disk, or the size that the volume or the tmpfs may have, is used up", "free some space, or give the volume more (df -h "+folder+" in the container, df -i for the number of files, "+place.Here().DiskUse()+" on the host)")
	case errors.Is(err, syscall.EROFS):
		return report.New(exit.NoPermission, said+"it is on a read-only file system",
			"the volume is mounted with :ro, or nothing is mounted there and the container has read_only", "mount a volume or a tmpfs at "+folder+", or mount it without :ro")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return report.New(exit.Unavailable, said+err.Error(),
			"the limit of open files is used up: that of this container, or of the whole machine", "raise it: "+place.Here().FileLimit()+"; fs.file-max of the machine")
	case errors.Is(err, syscall.EFBIG):
		return report.New(exit.NoPermission, said+err.Error(),
			"a limit on the size of files is less than 4 KiB, which nothing here can work with", "raise it: "+place.Here().SizeLimit())
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EEXIST):
		return report.New(exit.NoPermission, said+err.Error(),
			"that path, or one above it, is a file or a link in a circle, and no folder", "correct the setting that names "+folder+", or what is mounted there")
	case !errors.Is(err, os.ErrPermission):
		return report.New(exit.NoPermission, said+err.Error(),
			"what is at that path is no folder that can be used, or its file system is broken", "correct the setting that names "+folder+", or what is mounted there")
	}
	owner, above := describeOwner(folder)
	steps := fmt.Sprintf("chown -R %d:%d %s", os.Geteuid(), os.Getegid(), folder)
	if above != "" { // that one alone would not be reached
		steps = fmt.Sprintf("mkdir -p %s; %s; chmod a+x %s", folder, steps, above)
	}
	return report.New(exit.NoPermission, fmt.Sprintf("%s%s, and this process runs as uid %d gid %d", said, owner, os.Geteuid(), os.Getegid()),
		"the folder belongs to another user, as one that was made by hand, restored, or written as root does",
		"give the folder to that user ("+steps+"), or start the container once as root")
}

// describeOwner says whose an existing folder is, or else its nearest parent, which it
// also returns.
func describeOwner(folder string) (text, above string) {
	for path := folder; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err == nil {
			owner := info.Sys().(*syscall.Stat_t)
			what := "it"
			if path != folder {
				what, above = path, path
			}
			return fmt.Sprintf("%s belongs to uid %d gid %d with mode %04o", what, owner.Uid, owner.Gid, info.Mode().Perm()), above
		}
		if path == filepath.Dir(path) {
			return err.Error(), ""
		}
	}
}
