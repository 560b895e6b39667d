package deploy

import "testing"

// TestDatabaseElsewhere: also one that a file of the container names, and none of the stack's own.
func TestDatabaseElsewhere(t *testing.T) {
	for want, environments := range map[string][]map[string]string{
		"tale_platform at db.example.com:5432": {
			{"POSTGRES_URL": "postgresql://u:p@db.example.com"}, {"DB_HOST": "db.example.com", "DB_PASSWORD": "x"}, {"DB_HOST": "db.example.com", "DB_PASSWORD_FILE": "/run/secrets/db"},
			{"POSTGRES_URL": "postgresql://u:p@db.example.com", "POSTGRES_URL_FILE": ""},
		},
		"my_shop at the server that /run/secrets/url names": {{"POSTGRES_URL_FILE": "/run/secrets/url", "INSTANCE_NAME": "my-shop"}},
		"": {
			nil, {"DB_PASSWORD": "x"}, {"POSTGRES_URL": "postgresql://u:p@db:5432"}, {"CONVEX_STORAGE": "sqlite", "POSTGRES_URL_FILE": "/run/secrets/url"},
			{"CONVEX_STORAGE": "sqlite", "POSTGRES_URL": "postgresql://u:p@db.example.com"},
		},
	} {
		for _, environment := range environments {
			if got := databaseElsewhere(environment); got != want {
				t.Errorf("%v: %q, want %q", environment, got, want)
			}
		}
	}
}
