package convex

import (
	"fmt"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/convex/dashboard"
	"github.com/tale-project/tale-runtime/internal/convex/seed"
	"github.com/tale-project/tale-runtime/internal/convex/trust"
	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres"
)

// Settings are everything that convex-entrypoint run reads from the environment.
type Settings struct {
	entrypoint.Settings
	Volume    volume.Settings
	Instance  stack.Instance
	Site      stack.Site
	Database  stack.Database
	Postgres  postgres.Settings
	Network   backend.Network
	Backend   backend.Settings
	S3        backend.S3
	Dashboard dashboard.Settings
	Trust     trust.Settings
	Seed      seed.Settings
	Guards    volume.Guards

	MySQL    config.Secret `env:"MYSQL_URL" secret:"true" doc:"Not supported: refused where POSTGRES_URL is not set, because official self-hosting would keep its documents there."`
	OtherURL config.Secret `env:"DATABASE_URL" secret:"true" doc:"Not read. Official self-hosting takes it for POSTGRES_URL where that is not set; here there is a warning."`
}

// Validate reports two listeners on one port, which would end as a puzzling
// "address in use" of the one that starts last. The groups check the rest.
func (s *Settings) Validate() config.Problems {
	taken := map[int]string{}
	var problems config.Problems
	claim := func(variable string, port int) {
		if other, double := taken[port]; double {
			problems = append(problems, config.Problem{Variable: variable, Wrong: fmt.Sprintf("%d is the port of %s too", port, other), Accepted: "a port of its own"})
		}
		taken[port] = variable
	}
	claim("CONVEX_BACKEND_PORT", s.Network.BackendPort)
	claim("CONVEX_SITE_PROXY_PORT", s.Network.SitePort)
	if len(s.Dashboard.Command) > 0 {
		claim("CONVEX_DASHBOARD_PORT", s.Dashboard.Port)
	}
	if port := s.Boot.StatusPort(); port != 0 {
		claim("STATUS_ADDR", port)
	}
	if s.MySQL != "" && s.Database.PostgresURL == "" {
		problems = append(problems, config.Problem{
			Variable: "MYSQL_URL", Wrong: "is set and POSTGRES_URL is not: a deployment on MySQL cannot be taken over, and would start empty here",
			Accepted: "nothing, after its data was exported and imported with the convex command line",
		})
	}
	return problems
}

// backend returns what the backend is started with.
func (s *Settings) backend() backend.Backend {
	return backend.Backend{Settings: s.Backend, Network: s.Network, Instance: s.Instance, Database: s.Database, Volume: s.Volume, S3: s.S3}
}
