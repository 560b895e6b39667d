package deploy

import (
	"cmp"
	"context"
	"fmt"
	"net"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/database"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// fitsVolume refuses another DB_USER or DB_PASSWORD than the running Postgres takes, which
// keeps those of its first start: db would be replaced, and put back, before its health
// check finds that out. What else may be wrong with the login says the deploy.
func (d *deployment) fitsVolume(ctx context.Context) error {
	db, there := d.state.Current(stack.DB)
	change, planned := d.plan.Of(stack.DB)
	if !there || !planned || change.Action != rollout.Recreate || !db.State.Running {
		return nil
	}
	settings := database.Settings{}
	if err := config.Load(&settings, d.Settings.Environ()); err != nil {
		return err
	}
	before := cmp.Or(db.Environment["POSTGRES_USER"], settings.User)
	if before == settings.User && db.Environment["POSTGRES_PASSWORD"] == d.Settings.Get("DB_PASSWORD") {
		return nil
	}
	network := d.Project.File.ID + "_" + stack.Network
	server, err := settings.At(db.Addresses[network])
	if err != nil {
		return err
	}
	t := database.Target{Server: server, Place: "Postgres in " + db.Name, Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
		return d.Engine.Dial(ctx, network, address)
	}}
	_, err = t.Reach(ctx)
	if !database.IsWrongPassword(err) {
		return nil
	}
	remedy := fmt.Sprintf("make the new password of that user valid first: docker exec -it %s psql -U %s -d postgres -c '\\password'", db.Name, t.User())
	if before != settings.User {
		remedy = fmt.Sprintf("make that user first: docker exec -it %s createuser -U %s --superuser --pwprompt %s", db.Name, before, t.User())
	}
	return exit.Errorf(exit.Config, "the DB_PASSWORD of .env is not that of user %s (DB_USER) in the volume of db, which keeps both as it was made with them: put the old ones back, or %s; %w", t.User(), remedy, err)
}
