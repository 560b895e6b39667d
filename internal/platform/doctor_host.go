package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/boot"
	"github.com/tale-project/tale-runtime/internal/cgroup"
	"github.com/tale-project/tale-runtime/internal/doctor"
)

const (
	// littleDisk and noDisk are free bytes of the data volume.
	littleDisk = 2 << 30
	noDisk     = 200 << 20
	// littleMemory is a limit that the web server and a deploy by the CLI
	// hardly fit into, in bytes.
	littleMemory = 512 << 20
)

// hostChecks are about what this container was given.
func hostChecks(settings *Settings) []doctor.Check {
	return []doctor.Check{
		{Name: "disk of " + convexDataDir, Run: func(context.Context) (string, error) { return checkDisk(convexDataDir) },
			Fix: "free space on the volume convex-data; the backend and Postgres stop working without any"},
		{Name: "memory limit", Run: func(context.Context) (string, error) { return checkMemory(cgroup.Here()) },
			Fix: "raise mem_limit of this service in the compose file"},
		{Name: "run folder", Run: func(context.Context) (string, error) { return checkRunDir(settings.Boot.RunDir) },
			Fix: "TALE_RUN_DIR must be writable: mount a tmpfs there"},
	}
}

func checkDisk(path string) (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); errors.Is(err, fs.ErrNotExist) {
		return "", doctor.Skipped(path + " is not mounted here")
	} else if err != nil {
		return "", fmt.Errorf("cannot look at %s: %w", path, err)
	}
	return judgeDisk(int64(stat.Bavail) * stat.Bsize)
}

func judgeDisk(free int64) (string, error) {
	text := fmt.Sprintf("%.1f GiB free", float64(free)/(1<<30))
	switch {
	case free < noDisk:
		return "", errors.New(text)
	case free < littleDisk:
		return "", doctor.Warning(errors.New(text))
	}
	return text, nil
}

func checkMemory(memory cgroup.Memory) (string, error) {
	limit, known := memory.Limit()
	seen := fmt.Sprintf("%d MiB", limit>>20)
	switch {
	case !known:
		return "", doctor.Skipped("no memory control group is visible here")
	case limit == cgroup.NoLimit:
		return "no limit", nil
	case limit < littleMemory:
		return "", doctor.Warning(errors.New(seen))
	}
	return seen, nil
}

func checkRunDir(folder string) (string, error) {
	return folder + " is writable", boot.CheckRunDir(folder)
}
