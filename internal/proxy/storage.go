package proxy

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/proxy/certstore"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// healStorage makes what Caddy finds there usable.
func healStorage(ctx context.Context, s *Settings, log *slog.Logger) error {
	if s.TLSMode == stack.TLSExternal {
		return nil
	}
	store := certstore.Store{Root: s.StorageRoot(), Local: s.LocalNames(), Public: s.ACMENames()}
	if s.CAExportDir != "" {
		store.RootCopy = filepath.Join(s.CAExportDir, rootFile)
	}
	return store.Heal(ctx, log, time.Now())
}

// checkStorage makes the data folder and finds out whether it can be written.
func checkStorage(s *Settings) error {
	if s.TLSMode == stack.TLSExternal {
		return nil
	}
	root := s.StorageRoot()
	err := os.MkdirAll(root, 0o711)
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(root, ".write-test-*"); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err == nil {
		return nil
	}
	code := exit.Config
	if errors.Is(err, fs.ErrPermission) {
		code = exit.NoPermission
	}
	return exit.Errorf(code, "cannot keep certificates in %s as uid %d: %w; mount a volume there that this uid can write, or set PROXY_DATA_DIR", root, os.Getuid(), err)
}
