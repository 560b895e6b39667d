package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

const (
	// littleDisk and noDisk are free bytes of the data volume.
	littleDisk = 2 << 30
	noDisk     = 200 << 20
	// littleMemory is a limit that the web server and a deploy by the CLI
	// hardly fit into, in bytes.
	littleMemory = 512 << 20
)

// Disk returns a check of the free space below a folder; one that is not mounted
// here is skipped.
func Disk(folder, fix string) Check {
	return Check{Name: "disk of " + folder, Fix: fix, Run: func(context.Context) (string, error) { return checkDisk(folder) }}
}

// MemoryLimit returns a check of the memory that this container was given.
func MemoryLimit(fix string) Check {
	return Check{Name: "memory limit", Fix: fix, Run: func(context.Context) (string, error) { return checkMemory(cgroup.Here()) }}
}

func checkDisk(path string) (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); errors.Is(err, fs.ErrNotExist) {
		return "", Skipped(path + " is not mounted here")
	} else if errors.Is(err, fs.ErrPermission) {
		return "", Skipped(path + " is not this user's to look at")
	} else if err != nil {
		return "", fmt.Errorf("cannot look at %s: %w", path, err)
	}
	return judgeDisk(int64(stat.Bavail) * int64(stat.Bsize)) //nolint:unconvert // other systems have other types
}

func judgeDisk(free int64) (string, error) {
	text := fmt.Sprintf("%.1f GiB free", float64(free)/(1<<30))
	switch {
	case free < noDisk:
		return "", errors.New(text)
	case free < littleDisk:
		return "", Warning(errors.New(text))
	}
	return text, nil
}

func checkMemory(memory cgroup.Memory) (string, error) {
	limit, known := memory.Limit()
	seen := fmt.Sprintf("%d MiB", limit>>20)
	switch {
	case !known:
		return "", Skipped("no memory control group is visible here")
	case limit == cgroup.NoLimit:
		return "no limit", nil
	case limit < littleMemory:
		return "", Warning(errors.New(seen))
	}
	return seen, nil
}
