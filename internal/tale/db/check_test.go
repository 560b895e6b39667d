package db_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/db"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestCheckServer tells what no container would mend from what only this machine may see.
func TestCheckServer(t *testing.T) {
	server := testkit.StartPostgres(t)
	with := func(user *url.Userinfo, host string) string {
		return (&url.URL{Scheme: "postgresql", User: user, Host: host, RawQuery: "sslmode=disable"}).String()
	}
	p := &project.Project{File: project.File{Services: []string{stack.Convex}}}
	check := func(address string) doctor.Finding {
		values := project.Settings{"POSTGRES_URL": {Text: address}}
		findings, _ := doctor.Examine(t.Context(), []doctor.Check{{Name: "x", Run: func(ctx context.Context) (string, error) { return db.CheckServer(ctx, p, values) }}})
		return findings[0]
	}
	right := with(server.User, server.Host)
	testkit.Eventually(t, "the server is up", func() bool { return strings.Contains(check(right).Detail, "tale_platform: the database is missing") })
	for address, want := range map[string]doctor.Finding{
		right: {Verdict: doctor.Fail, Detail: "tale_platform: the database is missing", Fix: "tale db init"},
		with(url.UserPassword("tale", "canary"), server.Host): {Verdict: doctor.Fail, Detail: `the login as user "tale" is refused`},
		with(server.User, testkit.FreeAddress(t)):             {Verdict: doctor.Warn, Detail: "from this machine: cannot use Postgres at"},
		"postgresql://u:p@h.invalid?sslmode=disable":          {Verdict: doctor.Warn, Detail: "does not resolve"},
		"": {Verdict: doctor.Skip},
	} {
		if f := check(address); f.Verdict != want.Verdict || !strings.Contains(f.Detail, want.Detail) || !strings.Contains(f.Fix, want.Fix) || strings.Contains(f.Detail, "canary") {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
}
