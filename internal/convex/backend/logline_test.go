package backend

import "testing"

func TestReadDatabase(t *testing.T) {
	const at = "2026-08-22T10:00:00.123456Z "
	for line, want := range map[string]string{
		at + " INFO model::migrations: Attempting migration":                                                          "the backend looks at the version of its database",
		at + " INFO model::migrations: Migrating to 125":                                                              "the backend migrates its database to version 125",
		at + " WARN migrations_model: Executing Migration 125/128. Wait for log line 'Migrated 125'":                  "the backend migrates its database: version 125 of 128",
		at + " INFO model::migrations: Migrated 125":                                                                  "the backend migrates its database to version 125",
		at + "ERROR model::migrations: Migration worker failed, sleeping 61.2s":                                       "the backend looks at the version of its database",
		at + " INFO model::migrations: db metadata version up to date at 128":                                         "the database has version 128",
		at + " WARN model::migrations: persisted db metadata version is ahead at 128, this binary is at 124":          "the database has version 128, and this backend knows versions up to 124",
		`{"timestamp":"…","fields":{"message":"db metadata version up to date at 124"},"target":"model::migrations"}`: "the database has version 124",
		at + " INFO model::migrations: Migration complete":                                                            "",
		at + " INFO application: persisted db metadata version is ahead at 128, this binary is at 124":                "",
		"persisted db metadata version is ahead at 128, this binary is at 124":                                        "",
	} {
		database, said := ReadDatabase(line)
		if said != (want != "") || said && database.String() != want {
			t.Errorf("%s: %v, %s", line, said, database)
		}
	}
}

func TestSaysNothing(t *testing.T) {
	for line, want := range map[string]bool{
		"2026-08-22T10:00:00.123456Z ERROR common::errors: Not reporting above error: Sentry is not configured":                                    true,
		"2026-08-22T10:00:00.123456Z ERROR isolate_worker_handle_request: common::errors: Not reporting above error: Sentry is not configured n=1": true,
		"2026-08-22T10:00:00.123456Z ERROR common::errors: Caught error error: Not reporting":                                                      false,
		"Not reporting above error: Sentry is not configured":                                                                                      false,
	} {
		if got := SaysNothing(line); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

func TestLostModule(t *testing.T) {
	for line, want := range map[string]string{
		"Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/app/data/convex/tmp/.tmpQ3/source/4b1f/modules/actions/mail.js' imported from /app/data/convex/tmp/.tmpQ3/local.cjs": "actions/mail.js",
		`{"type":"error","message":"Cannot find module '/t/source/4b1f/modules/a.js' imported from /t/local.cjs","name":"unhandledRejection"}`:                                   "a.js",
		"Cannot find module 'sharp'": "",
		"Error: Cannot find module '/t/source/4b1f/node_modules/sharp/lib.js'": "",
	} {
		if got := LostModule(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
