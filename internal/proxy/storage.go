package proxy

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/place"
	"github.com/tale-project/tale-runtime/internal/proxy/certstore"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/writable"
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
		return nil
	}
	failure := report.Explain("", err)
	failure.Fix = append(failure.Fix, "or name another folder in PROXY_DATA_DIR")
	return failure.Err(err)
}
