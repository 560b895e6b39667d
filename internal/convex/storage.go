package convex

import (
	"context"

	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// prepareStorage checks that the backend can use its database and its folder, and
// that they are the ones it used before.
func (b *Boot) prepareStorage(ctx context.Context) (string, error) {
	if b.settings.OtherURL != "" && b.settings.Database.PostgresURL == "" {
		b.log.Warn("DATABASE_URL is set and not read: if it is the database of official self-hosting, set POSTGRES_URL to it", "see", "docs/from-official.md")
	}
	if b.settings.Database.Storage == stack.StorageSQLite && b.settings.Database.PostgresURL != "" {
		b.log.Warn("POSTGRES_URL is set and not used, because CONVEX_STORAGE is sqlite", "fix", "take one of the two out of "+place.Here().Settings())
	}
	guard, err := volume.Open(b.log, b.settings.Volume, b.settings.Guards, b.settings.use())
	if err != nil {
		return "", err
	}
	b.guard = guard
	if b.claim, err = b.settings.Volume.Claim(ctx, b.log, b.settings.Database.Storage, b.Shown(stageStorage, b.settings.Volume.ClaimWait(b.settings.Backend.WaitTimeout))); err != nil {
		return "", err
	}
	b.sweepTemp()
	b.settings.Volume.WarnOfLowSpace(b.log)
	b.settings.Volume.WarnOfFleeting(b.log)
	b.backend.openLog()
	if b.settings.Database.Storage == stack.StorageSQLite {
		return "the embedded SQLite file " + b.settings.Volume.SQLitePath() + ", as CONVEX_STORAGE=sqlite asks for", nil
	}
	server, err := b.settings.Database.Server()
	if err != nil {
		return "", err
	}
	login := postgres.Login{Server: server, Database: b.settings.Instance.DatabaseName(), CAFile: b.settings.Postgres.CAFile, Used: guard.HasUsed(stack.StoragePostgres)}
	facts, err := login.WaitReady(ctx, b.log, b.Shown(stageStorage, login.Wait(b.settings.Backend.WaitTimeout)))
	if err != nil {
		return "", err
	}
	b.warnOfDatabase(ctx, login, facts)
	b.database = &databaseWatch{log: b.log, answers: login.Answers, every: b.every, refused: refusedEvery}
	return facts.Describe(login), nil
}

// warnOfDatabase says what works at first and is going to be missed.
func (b *Boot) warnOfDatabase(ctx context.Context, login postgres.Login, facts postgres.Facts) {
	if facts.InUse && b.settings.S3.Place() == "" && !b.guard.HasUsed(stack.StoragePostgres) {
		b.log.Warn("the database is in use, and this volume is empty: files, code of functions and search indexes that it refers to are not here",
			"folder", b.settings.Volume.BackendDir(), "fix", "mount the volume that belongs to it, or restore it from a backup; if it is lost, a push with CONVEX_FORCE_PUSH=true brings the code back, and nothing brings back the files")
	}
	if login.SharesConnections(ctx) {
		b.log.Warn("a pooler before Postgres gives one connection of the server to several clients: statements that the backend has prepared may be missing on it",
			"server", login.Server.Address(), "fix", "let POSTGRES_URL or DB_HOST name the server itself, or set pool_mode = session in the pooler")
	}
}

// use returns how the settings use the volume.
func (s *Settings) use() volume.Use {
	return volume.Use{
		Storage: s.Database.Storage, Instance: s.Instance, Buckets: s.S3.Place(),
		TaleVersion: s.Seed.VolumeVersion(), BackendVersion: s.Backend.Version,
	}
}

// sweepTemp removes leftovers from the folder that is the backend's own.
func (b *Boot) sweepTemp() {
	if b.settings.Backend.TempDir == "" {
		volume.SweepTemp(b.log, b.settings.backend().TempDir())
	}
}
