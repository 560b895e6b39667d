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
		"docker compose run --rm platform doctors":                "docker exec shop-1-platform platform-entrypoint doctors",
		"docker compose run --rm platform env (all of them)":      "docker exec shop-1-platform platform-entrypoint env (all of them)",
		"docker compose run --rm platform exec -- bun server.ts":  "docker exec shop-1-platform platform-entrypoint exec -- bun server.ts",
		"docker compose run --rm proxy doctor":                    "docker exec shop-1-proxy proxy doctor",
		"docker compose run --rm proxy validate":                  "docker exec shop-1-proxy proxy validate",
		"docker compose exec platform doctor":                     "docker exec shop-1-platform doctor",
		"docker compose run --rm rag x":                           "docker compose run --rm rag x",
		"docker compose up -d, or docker compose logs -f convex.": "tale deploy, or tale logs -f convex.",
		"$(docker compose ps -aq db)":                             "$(docker ps -aq --filter name=^shop-1-db$)",
	} {
		if got := (Stack{Container: name}).ByTale(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestDevelopmentHasItsOwnWords: the commands of production would start it.
func TestDevelopmentHasItsOwnWords(t *testing.T) {
	s := Stack{Development: true, Container: func(service string) string { return "shop-1-dev-" + service }}
	for text, want := range map[string]string{
		"docker compose up -d --force-recreate platform": "tale start",
		"docker compose logs --tail 50 db":               "tale logs --dev --tail 50 db",
		"docker compose ps db":                           "tale status",
		"docker compose run --rm platform doctor":        "docker exec shop-1-dev-platform platform-entrypoint doctor",
	} {
		if got := s.ByTale(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestTaleHasWordsForAll that a message can name, of the services that a stack has.
func TestTaleHasWordsForAll(t *testing.T) {
	for _, development := range []bool{false, true} {
		s := Stack{Development: development, Container: func(service string) string { return "shop-1-" + service }}
		for name, examples := range means() {
			for _, example := range examples {
				if got := s.ByTale(example.say(Compose())); strings.Contains(got, "docker compose") || strings.Contains(got, "docker exec") && !strings.Contains(got, " shop-1-") {
					t.Errorf("%s: %q", name, got)
				}
			}
		}
	}
}
