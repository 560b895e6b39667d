package volume

import (
	"log/slog"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
)

// KeepFix says how the data folder outlives its container.
func (s Settings) KeepFix() string {
	return "mount the volume convex-data at exactly " + s.DataDir + ", and nothing above it"
}

// Fleeting returns why what is in the data folder does not outlive the container, "" if it does.
func (s Settings) Fleeting() string {
	mount, _ := procfs.MountAt(s.DataDir)
	return mount.Fleeting()
}

// WarnOfFleeting logs that the data would be lost with the container.
func (s Settings) WarnOfFleeting(log *slog.Logger) {
	if why := s.Fleeting(); why != "" {
		log.Warn("the data folder is lost with its container: it is "+why, "folder", s.DataDir, "fix", s.KeepFix())
	}
}
