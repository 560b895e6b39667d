package convex

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// examine runs the doctor beside a service and returns its findings by check.
func (s *service) examine(code int, changes ...string) map[string]doctor.Finding {
	s.t.Helper()
	other := &service{t: s.t, dir: s.dir, environ: maps.Clone(s.environ)}
	for i := 0; i+1 < len(changes); i += 2 {
		other.environ[changes[i]] = changes[i+1]
	}
	other.start("doctor", "--json")
	if got := other.WaitWithin(30 * time.Second); got != code {
		s.t.Errorf("%v: exit code %d, want %d:\n%s", changes, got, code, other.Output.String())
	}
	var findings []doctor.Finding
	if err := json.NewDecoder(strings.NewReader(other.Output.String())).Decode(&findings); err != nil {
		s.t.Fatalf("%v in\n%s", err, other.Output.String())
	}
	byName := map[string]doctor.Finding{}
	for _, f := range findings {
		byName[f.Name] = f
	}
	return byName
}

func TestDoctorOfTheBackend(t *testing.T) {
	s := newService(t).start()
	testkit.Eventually(t, "it is ready", s.ready)
	for name, verdict := range map[string]doctor.Verdict{
		volumeIsOurs: doctor.OK, "instance secret": doctor.OK, "database": doctor.Skip, backendAnswers: doctor.OK, "backend version": doctor.OK, "dashboard": doctor.Skip,
	} {
		if f := s.examine(0)[name]; f.Verdict != verdict {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for name, tt := range map[string]struct {
		changes           []string
		check, saw, fixes string
	}{
		"another secret":     {[]string{"INSTANCE_SECRET", secretB.Reveal()}, "instance secret", "INSTANCE_SECRET", "CONVEX_ALLOW_CHANGED_SECRET"},
		"another instance":   {[]string{"INSTANCE_NAME", "other"}, backendAnswers, "another backend listens there", "convex-entrypoint status"},
		"no backend":         {[]string{"CONVEX_BACKEND_PORT", testkit.FreePort(t)}, backendAnswers, "refused", "convex-entrypoint status"},
		"no dashboard":       {[]string{"CONVEX_DASHBOARD_COMMAND", "true"}, "dashboard", "refused", place.Here().Log("convex")},
		"no database":        {[]string{"CONVEX_STORAGE", "postgres", "POSTGRES_URL", "postgresql://u:p@" + testkit.FreeAddress(t)}, "database", "nothing listens", "DB_"},
		"a database unknown": {[]string{"CONVEX_STORAGE", "postgres", "POSTGRES_URL", "postgresql://u:p@db.invalid"}, databaseName, "cannot resolve", place.Here().State("db")},
	} {
		t.Run(name, func(t *testing.T) {
			f := s.examine(1, tt.changes...)[tt.check]
			if f.Verdict != doctor.Fail || !strings.Contains(f.Detail, tt.saw) || !strings.Contains(f.Fix, tt.fixes) {
				t.Errorf("%+v", f)
			}
			if strings.Contains(f.Detail+f.Fix, secretB.Reveal()) {
				t.Error("the secret is shown")
			}
		})
	}
	folder := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f := s.examine(1, "TALE_CONFIG_DIR", folder)[volumeIsOurs]; f.Verdict != doctor.Fail || f.Fix == "" {
		t.Errorf("%+v", f)
	}
}

// A commit of the backend that runs, which holds its lease, is no finding.
func TestDoctorBesideACommit(t *testing.T) {
	u := testkit.StartPostgres(t)
	s := load(t, environ("POSTGRES_URL", u.String(), "INSTANCE_NAME", "postgres"))
	server, err := s.Database.Server()
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/postgres"
	var backend *pgconn.PgConn
	testkit.Eventually(t, "the server answers", func() bool {
		backend, err = pgconn.Connect(t.Context(), u.String())
		return err == nil
	})
	defer func() { _ = backend.Close(context.WithoutCancel(t.Context())) }()
	if _, err := backend.Exec(t.Context(), "CREATE TABLE leases (id bigint, ts bigint); INSERT INTO leases VALUES (1, 1)").ReadAll(); err != nil {
		t.Fatal(err)
	}
	if _, err := backend.Exec(t.Context(), "BEGIN; SELECT 1 FROM leases FOR SHARE").ReadAll(); err != nil {
		t.Fatal(err)
	}
	text, err := s.tryDatabase(t.Context(), server)
	if err != nil {
		text = err.Error() // on a slow machine it is a warning of that
	}
	if !strings.Contains(text, "and the clocks agree") {
		t.Error(text)
	}
}
