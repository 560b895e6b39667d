package procfs

import (
	"os"
	"regexp"
	"strings"
)

// Mount is what is mounted at a folder.
type Mount struct {
	Root string // the folder of the file system that is seen there
	Kind string // of the file system
}

// MountAt returns what is mounted at exactly this folder in this process's view, false where
// nothing is.
func MountAt(folder string) (Mount, bool) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Mount{}, false
	}
	return mountAt(string(text), folder)
}

// mountAt reads a mountinfo, in which the last line about a folder is what is seen.
func mountAt(mountinfo, folder string) (found Mount, mounted bool) {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) > 4 && len(kind) > 0 && fields[4] == folder {
			found, mounted = Mount{Root: fields[3], Kind: kind[0]}, true
		}
	}
	return found, mounted
}

// An engine names a volume that nobody has named by 64 hexadecimal digits.
var unnamed = regexp.MustCompile(`/volumes/[0-9a-f]{64}/_data$`)

// Fleeting returns why what is written to the mount does not outlive its container, "" if it
// does as far as is known.
func (m Mount) Fleeting() string {
	switch {
	case unnamed.MatchString(m.Root):
		return "a volume without a name, which the next container does not get"
	case m.Kind == "tmpfs":
		return "in memory"
	case strings.Contains(m.Root, "/kubernetes.io~empty-dir/"):
		return "an emptyDir, which ends with its pod"
	}
	return ""
}
