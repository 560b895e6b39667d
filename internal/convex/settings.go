package convex

import (
	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/convex/dashboard"
	"github.com/tale-project/tale-runtime/internal/convex/postgres"
	"github.com/tale-project/tale-runtime/internal/convex/seed"
	"github.com/tale-project/tale-runtime/internal/convex/trust"
	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Settings are everything `convex-entrypoint run` reads from the environment.
type Settings struct {
	entrypoint.Settings
	Volume    volume.Settings
	Instance  stack.Instance
	Site      stack.Site
	Database  stack.Database
	Postgres  postgres.Settings
	Network   backend.Network
	Backend   backend.Settings
	Dashboard dashboard.Settings
	Trust     trust.Settings
	Seed      seed.Settings
	Guards    volume.Guards
}

// backend returns what the backend is started with.
func (s *Settings) backend() backend.Backend {
	return backend.Backend{Settings: s.Backend, Network: s.Network, Instance: s.Instance, Database: s.Database, Volume: s.Volume}
}
