package volume

import (
	"log/slog"

	"golang.org/x/sys/unix"
)

const (
	mebibyte = 1 << 20
	// lowSpace is the free space below which a volume is about to end the backend,
	// in bytes.
	lowSpace = 512 * mebibyte
)

// WarnOfLowSpace logs when the volume is nearly full.
func (s Settings) WarnOfLowSpace(log *slog.Logger) {
	var fs unix.Statfs_t
	if err := unix.Statfs(s.DataDir, &fs); err != nil {
		log.Debug("cannot read how much space is free", "folder", s.DataDir, "error", err)
		return
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < lowSpace {
		log.Warn("the data folder's file system is nearly full; a backend that cannot write dies",
			"folder", s.DataDir, "free_mib", free/mebibyte)
	}
}
