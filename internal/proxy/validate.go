package proxy

import (
	"context"
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Validate builds the configuration and has Caddy set up every module of it,
// without opening a port. Nothing of the data folder is touched: setting up the
// local authority would create it.
func Validate(_ context.Context, s *Settings) error {
	cfg, err := Config(s)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "proxy-validate-")
	if err != nil {
		return fmt.Errorf("cannot validate the configuration: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	elsewhere := *s
	elsewhere.DataDir = scratch
	cfg.StorageRaw = elsewhere.storage()
	s.keepSecrets()
	if err := caddy.Validate(cfg); err != nil {
		return exit.With(exit.Config, fmt.Errorf("cannot use the configuration: %w", err))
	}
	return nil
}
