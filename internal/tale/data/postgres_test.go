package data

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/site/sitetest"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/tale/database"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// elsewhere gives a shop a server elsewhere: its address with a mode of TLS, and the file of
// an authority.
func (s *shop) elsewhere(server *postgrestest.Server, mode, authority string) {
	s.t.Helper()
	s.withSettings("POSTGRES_URL=postgresql://u:p@" + server.Addr() + mode + "\nPG_CA_FILE=" + authority)
}

// withSettings gives a shop more settings, and the image that has the programs of Postgres.
func (s *shop) withSettings(lines string) {
	s.t.Helper()
	env := testkit.ReadFile(s.t, filepath.Join(s.app.Folder, ".env"))
	testkit.WriteTree(s.t, s.app.Folder, map[string]string{".env": env + "\n" + lines})
	opened, err := s.App.Session(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer opened.Close()
	s.AddImage(enginetest.Image{Tags: []string{databaseImage(opened)}})
}

// loginElsewhere is a way to log in to a server elsewhere.
type loginElsewhere struct {
	name, mode, file, inConvex string
	plain                      bool
	sslmode                    string // of the programs; "" where the backup is refused
}

// TestAServerElsewhereIsLoggedInToAsTheBackendDoes: with its rules of TLS, and with the
// authority that it knows. The programs get those that have signed.
func TestAServerElsewhereIsLoggedInToAsTheBackendDoes(t *testing.T) {
	offered, authority := testkit.Certificate(t)
	other := filepath.Join(t.TempDir(), "other.pem")
	_, root := sitetest.Certificate()
	testkit.WriteTree(t, filepath.Dir(other), map[string]string{"other.pem": string(root)})
	for _, l := range []loginElsewhere{
		{"required", "", authority, "", false, "verify-full"},
		{"preferred and offered", "?sslmode=prefer", authority, "", false, "verify-full"},
		{"preferred and not offered", "?sslmode=prefer", authority, "", true, "disable"},
		{"required and not offered", "?sslmode=require", authority, "", true, ""},
		{"forbidden", "?sslmode=disable", authority, "", false, "disable"},
		{"the container of convex has the authority", "?sslmode=require", "/certs/ca.pem", authority, false, "verify-full"},
		{"nothing has the authority", "?sslmode=require", "/certs/ca.pem", "", false, ""},
		{"forbidden, and nothing has the authority", "?sslmode=disable", "/certs/ca.pem", "", false, "disable"},
		{"another authority", "?sslmode=prefer", other, "", false, ""},
	} {
		t.Run(l.name, func(t *testing.T) { l.check(t, offered, authority) })
	}
}

// check backs up from a server that offers TLS, or not, with a certificate of an authority.
func (l loginElsewhere) check(t *testing.T, offered *tls.Config, authority string) {
	t.Helper()
	s, lent := newShop(t), ""
	s.elsewhere(postgrestest.Start(t, func(f *postgrestest.Server) {
		if !l.plain {
			f.TLS = offered
		}
	}), l.mode, l.file)
	if l.inConvex != "" {
		s.SetFile("shop-1-convex", l.file, testkit.ReadFile(t, l.inConvex))
	}
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		if slices.Contains(command, lentAuthority) {
			text, _ := io.ReadAll(in)
			lent = string(text)
			return 0
		}
		return s.Postgres.Program(container, command, in, out, errs)
	})
	opened, state := s.opened()
	server, release, err := postgres(t.Context(), opened, state)
	defer release()
	if l.sslmode == "" {
		testkit.WantError(t, err, exit.Config, "Postgres at ")
		return
	}
	if err != nil || server.Environ["PGSSLMODE"] != l.sslmode || server.Maintenance != "postgres" {
		t.Fatalf("%v, the programs get %q, in the database %s", err, server.Environ["PGSSLMODE"], server.Maintenance)
	}
	if want := l.sslmode == "verify-full"; (lent == testkit.ReadFile(t, authority)) != want || (server.Environ["PGSSLROOTCERT"] == lentAuthority) != want {
		t.Errorf("lent was %q", lent)
	}
	if err := s.Run(s.app.backupCommand(), filepath.Join(s.app.Folder, "b.tar")); err != nil {
		t.Error(err)
	}
}

// TestAServerElsewhereByItsParts: DB_HOST names a server as POSTGRES_URL does.
func TestAServerElsewhereByItsParts(t *testing.T) {
	s := newShop(t)
	host, port, err := net.SplitHostPort(postgrestest.Start(t, func(*postgrestest.Server) {}).Addr())
	if err != nil {
		t.Fatal(err)
	}
	s.withSettings("DB_HOST=" + host + "\nDB_PORT=" + port)
	if err := s.Run(s.app.backupCommand(), filepath.Join(s.app.Folder, "b.tar")); err != nil {
		t.Error(err)
	}
}

// TestALoginElsewhereThatIsRefused is told by its code, whatever language the server speaks,
// and not taken for a server that is away. A password is tried once.
func TestALoginElsewhereThatIsRefused(t *testing.T) {
	for code, want := range map[string]struct{ exit, logins int }{
		"28P01": {exit.NoPermission, 1}, "28000": {exit.NoPermission, 5}, "42501": {exit.NoPermission, 5}, "57P03": {exit.Unavailable, 1}, "53300": {exit.Unavailable, 1},
	} {
		s := newShop(t)
		server := postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse(code, "das geht nicht") })
		s.elsewhere(server, "?sslmode=disable", "")
		testkit.WantError(t, s.Run(s.app.backupCommand(), filepath.Join(s.app.Folder, "b.tar")), want.exit, "Postgres at ", code)
		if got := server.Logins(); got != want.logins {
			t.Errorf("%s: %d logins, want %d", code, got, want.logins)
		}
	}
}

// TestADatabaseThatAdmitsTheUser is looked for where the first ones do not.
func TestADatabaseThatAdmitsTheUser(t *testing.T) {
	for _, code := range []string{"3D000", "42501", "28000", "55000"} {
		s := newShop(t)
		refuse := postgrestest.Refuse(code, "hier nicht")
		server := postgrestest.Start(t, func(f *postgrestest.Server) {
			f.Refuse = func(n int) *pgproto3.ErrorResponse {
				if n < 4 {
					return refuse(n)
				}
				return nil
			}
		})
		s.elsewhere(server, "?sslmode=disable", "")
		s.Postgres.Reset(map[string]string{"tale_platform": "", "defaultdb": ""})
		if err := s.Run(s.app.backupCommand(), filepath.Join(s.app.Folder, "b.tar")); err != nil || server.Logins() != 4 {
			t.Errorf("%s: %d logins, %v", code, server.Logins(), err)
		}
	}
}

// TestTheDatabaseIsThatOfConvex: an override leads convex elsewhere than .env does, and .env
// may be newer than what runs. A backup is of the data that are in use.
func TestTheDatabaseIsThatOfConvex(t *testing.T) {
	address := postgrestest.Start(t, func(*postgrestest.Server) {}).Addr()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	there := "postgresql://u:p@" + address + "?sslmode=disable"
	for _, tt := range []struct {
		name, env string
		convex    map[string]string
		host      string // "" for the stack's own
	}{
		{"an override", "", map[string]string{"POSTGRES_URL": there, "DB_PASSWORD": "x"}, host},
		{"an override by parts", "", map[string]string{"DB_HOST": host, "DB_PORT": port, "DB_PASSWORD": "x"}, host},
		{"an override with a file", "", map[string]string{"POSTGRES_URL_FILE": "/run/secrets/url"}, host},
		{"newer settings", "POSTGRES_URL=" + there, map[string]string{"DB_PASSWORD": "x"}, ""},
		{"an earlier release", "", map[string]string{"POSTGRES_URL": "postgresql://tale:x@db:5432"}, ""},
		{"a convex that says nothing", "POSTGRES_URL=" + there, map[string]string{"PG_CA_FILE": "x"}, host},
	} {
		s := newShop(t)
		s.withSettings(tt.env)
		s.SetFile("shop-1-convex", "/run/secrets/url", there+"\n")
		opened, state := s.opened()
		for i := range state.Containers {
			if state.Containers[i].Service == stack.Convex {
				state.Containers[i].Environment = tt.convex
			}
		}
		server, release, err := postgres(t.Context(), opened, state)
		defer release()
		if err != nil || server.Environ["PGHOST"] != tt.host {
			t.Errorf("%s: the server %q, %v", tt.name, server.Environ["PGHOST"], err)
		}
	}
}

// TestAServerThatIsGone is named with the one that .env names by now.
func TestAServerThatIsGone(t *testing.T) {
	s := newShop(t)
	s.withSettings("POSTGRES_URL=postgresql://u:p@127.0.0.2:1?sslmode=disable")
	opened, state := s.opened()
	for url, says := range map[string]string{
		"postgresql://u:p@127.0.0.1:1?sslmode=disable": "`tale deploy` makes convex anew for it",
		"": "127.0.0.2:1",
	} {
		for i := range state.Containers {
			if state.Containers[i].Service == stack.Convex {
				state.Containers[i].Environment = map[string]string{"POSTGRES_URL": url}
			}
		}
		_, release, err := postgres(t.Context(), opened, state)
		release()
		testkit.WantError(t, err, exit.Unavailable, says)
		if said := strings.Contains(err.Error(), "another"); said != (url != "") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestNetworksOfConvex are tried where the stack's own does not lead to the server, and not
// where the server answers.
func TestNetworksOfConvex(t *testing.T) {
	away, refused := exit.Errorf(exit.Unavailable, "no such host"), exit.Errorf(exit.NoPermission, "refused")
	for _, tt := range []struct {
		own, other error
		network    string
		err        error
	}{
		{nil, away, "own", nil}, {refused, nil, "own", refused}, {away, nil, "other", nil}, {away, refused, "other", refused}, {away, exit.Errorf(exit.Unavailable, "timeout"), "", away},
	} {
		network, _, err := reachFrom([]string{"own", "other"}, func(network string) (database.Reached, error) {
			if network == "own" {
				return database.Reached{}, tt.own
			}
			return database.Reached{}, tt.other
		})
		if network != tt.network || !errors.Is(err, tt.err) {
			t.Errorf("%+v: from %q, %v", tt, network, err)
		}
	}
}
