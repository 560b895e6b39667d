package convex

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/convex/postgres"
	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// prepareStorage makes sure that the backend can use its database, and that
// this and its folder are the ones it used before.
func (b *Boot) prepareStorage(ctx context.Context) (string, error) {
	if err := b.checkVolume(); err != nil {
		return "", err
	}
	b.sweepTemp()
	b.warnOfLowSpace()
	b.backend.openLog()
	if b.settings.Database.Storage == stack.StorageSQLite {
		return "the embedded SQLite file " + b.settings.Volume.SQLitePath() + ", as CONVEX_STORAGE=sqlite asks for", nil
	}
	server, err := b.settings.Database.Server()
	if err != nil {
		return "", err
	}
	login := postgres.Login{Server: server, Database: b.settings.Instance.DatabaseName(), CAFile: b.settings.Postgres.CAFile}
	facts, err := login.WaitReady(ctx, b.log, b.settings.Backend.WaitTimeout, func(int) { b.Attempt(stageStorage) })
	if err != nil {
		return "", err
	}
	return facts.Describe(login), nil
}

// checkVolume refuses a start that would harm what the volume holds.
func (b *Boot) checkVolume() error {
	record, err := volume.ReadRecord(b.log, b.settings.Volume.DataDir)
	if err != nil {
		return exit.With(exit.Config, err)
	}
	b.guard = volume.Guard{
		Settings: b.settings.Volume, Guards: b.settings.Guards, Record: record,
		Use: volume.Use{
			Storage: b.settings.Database.Storage, Instance: b.settings.Instance,
			TaleVersion: b.settings.Seed.VolumeVersion(), BackendVersion: b.settings.Backend.Version,
		},
	}
	refused, allowed := b.guard.Check()
	for _, r := range allowed {
		b.log.Warn("allowed by "+r.Override, "although", r.What)
	}
	if len(refused) == 0 {
		return nil
	}
	reasons := make([]string, 0, len(refused))
	for _, r := range refused {
		reasons = append(reasons, r.String())
	}
	return exit.With(exit.Config, errors.New("this volume must not be used like this: "+strings.Join(reasons, "; also, ")))
}

// recordVolume remembers who uses the volume, once that has worked.
func (b *Boot) recordVolume(backendVersion string) {
	record := b.guard.Updated(backendVersion)
	if record.SameAs(b.guard.Record) {
		return
	}
	record.Updated = time.Now().UTC().Truncate(time.Second)
	if err := record.Write(b.settings.Volume.DataDir); err != nil {
		b.log.Warn("cannot record who uses this volume; the next start cannot check it", "error", err)
		return
	}
	b.guard.Record = record
}

// sweepTemp is only for the folder that is the backend's own.
func (b *Boot) sweepTemp() {
	if b.settings.Backend.TempDir != "" {
		return
	}
	result, err := volume.SweepTemp(b.settings.tempDir(), time.Now())
	if err != nil {
		b.log.Warn("cannot remove old temporary files", "error", err)
	}
	if result.Removed > 0 {
		b.log.Info("swept old temporary files", "removed", result.Removed, "kept", result.Kept)
	}
}

// lowSpace is the free space below which a volume is about to end the backend,
// in bytes.
const lowSpace = 512 * volume.Mebibyte

func (b *Boot) warnOfLowSpace() {
	var fs unix.Statfs_t
	if err := unix.Statfs(b.settings.Volume.DataDir, &fs); err != nil {
		b.log.Debug("cannot tell how much space is left", "error", err)
		return
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < lowSpace {
		b.log.Warn("the data folder's file system is nearly full; a backend that cannot write dies",
			"folder", b.settings.Volume.DataDir, "free_mib", free/volume.Mebibyte)
	}
}
