package proxy

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/entrypoint/writable"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/proxy/certstore"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// openStorage makes sure that certificates can be kept, and makes what Caddy finds
// there usable.
func openStorage(ctx context.Context, s *Settings, log *slog.Logger) error {
	if s.TLSMode == stack.TLSExternal {
		return nil
	}
	if err := checkStorage(s, log); err != nil {
		return err
	}
	store := certstore.Store{Root: s.StorageRoot(), Local: s.LocalNames(), Public: s.ACMENames(), ACMERoot: s.ACMERootFile}
	if s.CAExportDir != "" {
		store.RootCopy = filepath.Join(s.CAExportDir, rootFile)
	}
	return store.Heal(ctx, log, time.Now())
}

// warnOfAnother tells of two proxies with one data folder. Certmagic's locks there let them
// take turns at certificates; other files have none. The one here is of a descriptor that
// stays open until the process ends, which a file would not that nothing refers to.
func warnOfAnother(s *Settings, log *slog.Logger) {
	folder, err := unix.Open(s.StorageRoot(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil && errors.Is(unix.Flock(folder, unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
		log.Warn("another proxy uses this data folder: the two share its certificates and each other's orders for them, and both write what else is kept there (ASSETS_CACHE)",
			"folder", s.StorageRoot(), "fix", place.Here().Containers("proxy")+"; stop the one that is not meant, or give it a volume of its own")
	}
}

// checkStorage makes the data folder and finds out whether it can be written. With a
// full disk the proxy serves what it has.
func checkStorage(s *Settings, log *slog.Logger) error {
	root := s.StorageRoot()
	_ = os.MkdirAll(root, 0o711) // the check says why it cannot be made
	err := writable.Check(root)
	if exit.Code(err) == exit.Unavailable {
		log.Warn("no certificate can be made or renewed until there is space", "full", root, "fix", "df -h in the container, "+place.Here().DiskUse()+" on the host")
		return nil
	}
	if err == nil {
		warnOfAnother(s, log)
		return nil
	}
	failure := report.Explain("", err)
	failure.Fix = append(failure.Fix, "or name another folder in PROXY_DATA_DIR")
	return failure.Err(err)
}
