package convexsim

import (
	"context"
	"fmt"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
)

// migrate prints what the backend prints of the version of its database, as that does
// with its ports open: only then does it begin to look (crates/model/src/migrations.rs
// and crates/migrations_model). Like the backend it goes on with a newer database, and
// unlike it it can.
func (s *Server) migrate(ctx context.Context) {
	log := s.log.With("target", "model::migrations")
	log.Info("Attempting migration")
	found := s.options.DatabaseVersion
	for ; found < DatabaseVersion; found++ {
		log.Info(fmt.Sprintf("Migrating to %d", found+1))
		s.event(ctx, fault.StageMigration)
		if ctx.Err() != nil {
			return
		}
		s.log.With("target", "migrations_model").Warn(fmt.Sprintf("Executing Migration %d/%d. Wait for log line 'Migrated %d'", found+1, DatabaseVersion, found+1))
		log.Info(fmt.Sprintf("Migrated %d", found+1))
	}
	if found > DatabaseVersion {
		log.Warn(fmt.Sprintf("persisted db metadata version is ahead at %d, this binary is at %d", found, DatabaseVersion))
	} else {
		log.Info(fmt.Sprintf("db metadata version up to date at %d", DatabaseVersion))
	}
	log.Info("Migration complete")
}
