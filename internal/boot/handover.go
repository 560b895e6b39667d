package boot

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/config"
)

// handoverVariable tells the program that is executed anew after root is given
// up which file descriptor has the secret files that root has read. It is of
// no use to anybody else, and not in the environment of any child.
const handoverVariable = "TALE_SECRET_FILES_FD"

const handoverSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// handOver puts the files' contents into memory that has no name and belongs to
// this process alone, and returns the variable for the next program. The
// descriptor survives an execve; nothing else is started before that.
func handOver(files config.SecretFiles) (environ []string, err error) {
	if len(files) == 0 {
		return nil, nil
	}
	content, err := json.Marshal(files)
	if err != nil {
		return nil, fmt.Errorf("cannot keep the secret files: %w", err)
	}
	fd, err := unix.MemfdCreate("secret-files", unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("cannot keep the secret files: %w", err)
	}
	// No os.File: it would be closed when it is collected as garbage.
	for rest := content; len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil {
			return nil, fmt.Errorf("cannot keep the secret files: %w", err)
		}
		rest = rest[n:]
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, handoverSeals); err != nil {
		return nil, fmt.Errorf("cannot keep the secret files: %w", err)
	}
	return []string{handoverVariable + "=" + strconv.Itoa(fd)}, nil
}

// takeOver returns what was handed over, and takes its traces out of the
// process and the environment. A descriptor that is not a sealed memory file is
// somebody else's, and left alone.
func takeOver(environ config.Environ) (config.SecretFiles, error) {
	fd, err := strconv.Atoi(environ[handoverVariable])
	delete(environ, handoverVariable)
	if err != nil {
		return nil, nil
	}
	if seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err != nil || seals != handoverSeals {
		return nil, nil
	}
	file := os.NewFile(uintptr(fd), "secret-files")
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<30))
	if err != nil {
		return nil, fmt.Errorf("cannot take over the secret files: %w", err)
	}
	files := config.SecretFiles{}
	if err := json.Unmarshal(content, &files); err != nil {
		return nil, fmt.Errorf("cannot take over the secret files: %w", err)
	}
	return files, nil
}
