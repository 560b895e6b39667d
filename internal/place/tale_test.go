package place

import (
	"slices"
	"strings"
	"testing"
)

func TestByTale(t *testing.T) {
	name := func(service string) string {
		if slices.Contains([]string{"db", "convex", "platform", "proxy"}, service) {
			return "shop-1-" + service
		}
		return ""
	}
	for text, want := range map[string]string{
		"correct it, then: docker compose up -d":                  "correct it, then: tale deploy",
		"docker compose up -d --force-recreate convex platform":   "tale deploy",
		"docker compose up -d platform, and see":                  "tale deploy, and see",
		"docker compose up -d platforms":                          "tale deploy platforms",
		"docker compose logs db":                                  "tale logs db",
		"docker compose logs platform | grep 'web |'":             "tale logs platform | grep 'web |'",
		"docker compose ps db convex shows it":                    "tale status shows it",
		"docker compose restart convex":                           "docker restart shop-1-convex",
		"docker compose exec proxy proxy ca":                      "docker exec shop-1-proxy proxy ca",
		"docker compose exec -T db pg_dump":                       "docker exec shop-1-db pg_dump",
		`docker compose exec db psql -U tale -c '\password'`:      `docker exec -it shop-1-db psql -U tale -c '\password'`,
		"docker compose exec rag sh":                              "docker compose exec rag sh",
		"docker compose run --rm platform doctor":                 "tale doctor",
		"docker compose run --rm platform exec -- bun server.ts":  "docker compose run --rm platform exec -- bun server.ts",
		"docker compose up -d, or docker compose logs -f convex.": "tale deploy, or tale logs -f convex.",
		"$(docker compose ps -aq db)":                             "$(docker ps -aq --filter name=^shop-1-db$)",
	} {
		if got := ByTale(text, name); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestTaleHasWordsForAll that a message can name.
func TestTaleHasWordsForAll(t *testing.T) {
	p := Compose()
	for _, text := range []string{
		p.Log("db"), p.Tail(50, "db"), p.Logs(), p.PostgresLog(), p.State(), p.State("db", "convex"), p.Restart("convex"), p.Start(), p.Start("convex"),
		p.Recreate("platform"), p.Recreate("convex", "platform"), p.Exec("convex", "df -h /app/data"), p.OutOfMemory("convex"),
	} {
		if got := ByTale(text, func(service string) string { return service }); strings.Contains(got, "docker compose") {
			t.Errorf("%q: %q", text, got)
		}
	}
}
