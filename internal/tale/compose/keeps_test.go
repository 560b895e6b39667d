package compose_test

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
)

// TestOverridesThatLoseData: a volume without a name, one mounted a level too high or too low,
// memory, and none at all. Each would begin with an empty database.
func TestOverridesThatLoseData(t *testing.T) {
	for override, want := range map[string]string{
		"db: {volumes: !override [/var/lib/postgresql/data]}":                 "sets services.db.volumes so that /var/lib/postgresql/data is a volume without a name, which begins empty with each new container: what db keeps there would be lost; accepted: db-data:/var/lib/postgresql/data, or another volume with a name",
		"db: {volumes: !override ['db-data:/var/lib/postgresql']}":            "nothing is mounted at /var/lib/postgresql/data (db-data is mounted at /var/lib/postgresql)",
		"db: {volumes: !override ['db-data:/var/lib/postgresql/data/pg/']}":   "nothing is mounted at /var/lib/postgresql/data (db-data is mounted at /var/lib/postgresql/data/pg)",
		"db: {volumes: !override []}":                                         "nothing is mounted at /var/lib/postgresql/data:",
		"db: {volumes: !reset [], tmpfs: '/var/lib/postgresql/data:size=1g'}": "/var/lib/postgresql/data is in memory",
		"db: {environment: {PGDATA: /var/lib/postgresql/17}}":                 "nothing is mounted at /var/lib/postgresql/17",
		"convex: {volumes: !override ['convex-data:/app']}":                   "nothing is mounted at /app/data (convex-data is mounted at /app)",
		"convex: {volumes: [{type: tmpfs, target: /app/data}]}":               "sets services.convex.volumes so that /app/data is in memory",

		"db: {environment: {PGDATA: /var/lib/postgresql/data/pg}, volumes: !override [/var/lib/postgresql/data]}":      "/var/lib/postgresql/data is a volume without a name, which begins empty with each new container: what db keeps there would be lost; accepted: db-data:/var/lib/postgresql/data, or",
		"db: {environment: {PGDATA: /var/lib/postgresql/data/pg}, volumes: !override ['db-data:/var/lib/postgresql']}": "nothing is mounted at /var/lib/postgresql/data (db-data is mounted at /var/lib/postgresql)",
		"db: {environment: {PGDATA: /var/lib/postgresql/data/pg}, tmpfs: /var/lib/postgresql/data/pg/}":                "/var/lib/postgresql/data/pg is in memory",
		"db: {environment: {PGDATA: /var/lib/postgresql/data2}}":                                                       "nothing is mounted at /var/lib/postgresql/data2: what",
		"convex: {environment: {TALE_CONFIG_DIR: /app/data/x}, volumes: !override ['convex-data:/app/data/y']}":        "nothing is mounted at /app/data (convex-data is mounted at /app/data/y)",
	} {
		t.Run(override, func(t *testing.T) {
			_, err := compose.Production(options(t, nil, "services: {"+override+"}"))
			if err == nil || exit.Code(err) != exit.Config || !strings.Contains(err.Error(), want) {
				t.Errorf("want %q: %v", want, err)
			}
		})
	}
}

// TestOverridesThatKeepData: elsewhere on the host, in another volume, beside it, and in a folder
// of a volume.
func TestOverridesThatKeepData(t *testing.T) {
	for _, override := range []string{
		"services: {db: {volumes: ['/srv/pg:/var/lib/postgresql/data']}}",
		"services: {db: {volumes: !override ['old:/var/lib/postgresql/data/']}}\nvolumes: {old: {external: true}}",
		"services: {db: {environment: {PGDATA: /pg}, volumes: ['db-data:/pg']}}",
		"services: {db: {image: 'postgres:18', volumes: !override ['db-data:/var/lib/postgresql']}}", // which keeps them below 18/docker
		"services: {convex: {environment: {TALE_CONFIG_DIR: /data}, volumes: !override ['convex-data:/data']}}",
		"services: {db: {environment: {PGDATA: /var/lib/postgresql/data/pgdata}}}",
		"services: {db: {environment: {PGDATA: /var/lib/postgresql/data/}}}",
		"services: {db: {environment: {PGDATA: /var/lib/postgresql/17}, volumes: !override ['db-data:/var/lib/postgresql']}}", // beside what the image declares
		"services: {db: {environment: {PGDATA: /var/lib/postgresql/data/pg}, volumes: !override ['/srv/pg:/var/lib/postgresql/data', /var/lib/postgresql]}}",
		"services: {convex: {environment: {TALE_CONFIG_DIR: /app/data/}}}",
		"services: {convex: {volumes: ['/srv/certificates:/certificates:ro', '/srv/exports:/app/data/exports']}}",
	} {
		t.Run(override, func(t *testing.T) {
			if _, err := compose.Production(options(t, nil, override)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDataBelowAVolume is kept whatever else an override sets, where .env names the folder.
func TestDataBelowAVolume(t *testing.T) {
	settings := map[string]string{"TALE_CONFIG_DIR": "/app/data/x"}
	if _, err := compose.Production(options(t, settings, "services: {convex: {labels: {a: b}}}")); err != nil {
		t.Error(err)
	}
}
