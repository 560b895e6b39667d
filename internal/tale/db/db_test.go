package db_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestDatabaseOfAnAdministrator makes the databases of a project whose POSTGRES_URL has a
// user that is not there yet, as an administrator whose password comes in several ways.
func TestDatabaseOfAnAdministrator(t *testing.T) {
	server := testkit.StartPostgres(t)
	password, _ := server.User.Password()
	bare := *server
	bare.User = url.User("tale")
	folder := t.TempDir()
	testkit.WriteTree(t, folder, map[string]string{
		"tale.json": `{"version": 1, "id": "shop-1", "services": ["convex"]}`,
		".env":      "POSTGRES_URL=postgresql://stack:canary@" + server.Host + "?sslmode=disable\nSITE_URL=https://x.example\nINSTANCE_NAME=my-shop\nINSTANCE_SECRET=" + strings.Repeat("ab", 32) + "\n",
		"m/1_a.sql": "-- migrate:up\nCREATE TABLE a ();\n-- migrate:down\n",
	})
	environ := config.Environ{"HOME": folder}
	db := func(in string, args ...string) line.Result {
		t.Helper()
		r := line.Run(environ, in, append([]string{"db", "--project", folder}, args...)...)
		if all := r.Out + r.Err; strings.Contains(all, "canary") || strings.Contains(all, password) {
			t.Errorf("a password is shown: %s", all)
		}
		return r
	}
	testkit.Eventually(t, "the server is up", func() bool { return db(server.String(), "status", "--url", "-").Code == exit.Degraded })
	db("", "status").Expect(t, exit.NoPermission, "", `the login as user "stack" is refused`)
	db(server.String()+"\n", "init", "--url", "-").Expect(t, 0, "made user stack\nmade database my_shop\nmade database tale_knowledge\n", "pg_search")
	environ["PGPASSWORD"] = password
	db("", "init", "--url", bare.String()).Expect(t, 0, `ready for "stack"`, "")
	db("", "init", "--url", server.String()).Expect(t, 0, "", "arguments are for all users of this machine to see")
	delete(environ, "PGPASSWORD")
	db("", "status", "--json").Expect(t, 0, `"name": "my_shop"`, "")
	db("", "status", "--dir", folder+"/m").Expect(t, exit.Degraded, "1 pending", "")
	db("", "migrate", "--dir", folder+"/m").Expect(t, 0, "1 migration applied to tale_knowledge", "1_a.sql applied")
	db("", "migrate", "--dir", folder+"/m", "--json").Expect(t, 0, `"applied": 0`, "")
	db("", "status", "--dir", folder+"/m").Expect(t, 0, "1 applied, 0 pending", "")
	testkit.WriteTree(t, folder, map[string]string{"m/2_b.sql": "-- migrate:up\n\nSELECT 1;\nCREATE TABEL b ();\n-- migrate:down\n"})
	db("", "migrate", "--dir", folder+"/m").Expect(t, exit.DeployRefused, "", `cannot apply 2_b.sql, line 4: ERROR: syntax error at or near "TABEL"`)
	db("", "migrate").Expect(t, exit.Usage, "", "dir")
	db("", "migrate", "--dir", folder).Expect(t, exit.Config, "", "no migrations in")
	db("", "init", "--url", "-").Expect(t, exit.Usage, "", "is expected: URL of the server")
	db("postgresql://u:canary@h?pgbouncer=true", "init", "--url", "-").Expect(t, exit.Config, "", "--url")
}

// A project's own server that does not run is not mistaken for one elsewhere.
func TestDatabaseThatDoesNotRun(t *testing.T) {
	docker := enginetest.New(t)
	folder := t.TempDir()
	testkit.WriteTree(t, folder, map[string]string{
		"tale.json": `{"version": 1, "id": "shop-1", "services": ["db", "convex"]}`,
		".env":      "DB_PASSWORD=canary\nSITE_URL=https://x.example\nINSTANCE_SECRET=" + strings.Repeat("ab", 32) + "\n",
	})
	environ := config.Environ{"HOME": folder, "DOCKER_HOST": docker.Host()}
	line.Run(environ, "", "db", "init", "--project", folder).Expect(t, exit.Down, "", "the service db of shop-1 does not run")
	line.Run(environ, "", "db", "init", "--project", folder, "--dev").Expect(t, exit.Down, "", "the service db of shop-1-dev does not run: `tale start` starts it; another")
	line.Run(environ, "", "db", "init", "--project", folder, "--dev", "--url", "postgresql://u:p@h").Expect(t, exit.Usage, "", "--dev is the service db of the development stack, and --url names another server")
	environ["POSTGRES_URL"] = "postgresql://u:p@h"
	line.Run(environ, "", "db", "migrate", "--dir", folder, "--project", folder, "--dev").Expect(t, exit.Usage, "", "--dev is the service db of the development stack, and POSTGRES_URL names another server")
	delete(environ, "POSTGRES_URL")
	line.Run(environ, "", "db", "init", "--project", t.TempDir()).Expect(t, exit.Config, "", "tale init")
}
