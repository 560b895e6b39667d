package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2/modules/filestorage"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/proxy/certstore"
)

// storageRoot is where Caddy itself would keep its data if its data folder were
// DataDir, so that other containers find the root certificate at its usual path
// and a volume written by stock Caddy goes on being used.
func (s *Settings) storageRoot() string { return filepath.Join(s.DataDir, "caddy") }

func (s *Settings) storage() json.RawMessage {
	return module("module", filestorage.FileStorage{Root: s.storageRoot()})
}

// healStorage makes what Caddy finds there usable.
func (s *Settings) healStorage(ctx context.Context, log *slog.Logger) error {
	if s.TLSMode == tlsExternal {
		return nil
	}
	store := certstore.Store{Root: s.storageRoot(), Local: s.localNames(), Public: s.acmeNames()}
	if s.CAExportDir != "" {
		store.RootCopy = filepath.Join(s.CAExportDir, rootFile)
	}
	return store.Heal(ctx, log, time.Now())
}

// checkStorage makes the data folder and finds out whether it can be written.
func (s *Settings) checkStorage() error {
	if s.TLSMode == tlsExternal {
		return nil
	}
	root := s.storageRoot()
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
