package deploy

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestAPasswordThatTheVolumeDoesNotHave is refused before db is replaced; one that is valid
// already is not, and nothing is asked where the password stays or db does.
func TestAPasswordThatTheVolumeDoesNotHave(t *testing.T) {
	refused, full := postgrestest.Refuse("28P01", "falsches Passwort"), postgrestest.Refuse("53300", "voll")
	for _, tt := range []struct {
		name, before string
		action       rollout.Action
		stopped      bool
		refuse       func(int) *pgproto3.ErrorResponse
		code, logins int
	}{
		{"another", "old", rollout.Recreate, false, refused, exit.Config, 1},
		{"another, valid by now", "old", rollout.Recreate, false, nil, 0, 1},
		{"another, and Postgres is full", "old", rollout.Recreate, false, full, 0, 1},
		{"another, and Postgres admits nobody from there", "old", rollout.Recreate, false, postgrestest.Refuse("28000", "kein Eintrag"), 0, 5},
		{"another user's", "wilma:" + taletest.Secret, rollout.Recreate, false, refused, exit.Config, 1},
		{"the same", taletest.Secret, rollout.Recreate, false, refused, 0, 0},
		{"db stays", "old", rollout.Keep, false, refused, 0, 0},
		{"db does not run", "old", rollout.Recreate, true, refused, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := taletest.NewShop(t)
			server := postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = tt.refuse })
			s.SetHelper(func(_ context.Context, _ string, args []string, in io.Reader, out, _ io.Writer) error {
				if args[1] != "10.0.0.7:5432" {
					t.Errorf("helper %q", args)
				}
				return engine.Helper([]string{"dial", server.Addr()}, in, out)
			})
			opened, err := s.App.Session(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			user, password, other := strings.Cut(tt.before, ":")
			fix := "createuser -U wilma --superuser --pwprompt tale"
			if !other {
				user, password, fix = "tale", user, "psql -U tale -d postgres -c '\\password'"
			}
			db := engine.Container{
				Name: "shop-1-db", Service: stack.DB, Environment: map[string]string{"POSTGRES_USER": user, "POSTGRES_PASSWORD": password},
				Addresses: map[string]string{"shop-1_internal": "10.0.0.7"}, State: engine.State{Running: !tt.stopped},
			}
			d := &deployment{
				Session: opened, state: rollout.State{Containers: []engine.Container{db}},
				plan: rollout.Plan{Changes: []rollout.Change{{Service: stack.DB, Action: tt.action}}},
			}
			if err = d.fitsVolume(t.Context()); tt.code != 0 {
				testkit.WantError(t, err, tt.code, "DB_PASSWORD", "user tale (DB_USER)", "falsches Passwort", "docker exec -it shop-1-db "+fix)
			} else if err != nil {
				t.Error(err)
			}
			if server.Logins() != tt.logins {
				t.Errorf("%d logins, want %d", server.Logins(), tt.logins)
			}
		})
	}
}
