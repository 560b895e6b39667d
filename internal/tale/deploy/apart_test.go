package deploy_test

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
)

// TestDevelopmentKeepsOffTheDatabaseOfProduction: which a server elsewhere lets both reach.
func TestDevelopmentKeepsOffTheDatabaseOfProduction(t *testing.T) {
	const server = "postgresql://shop:secret-1@db.example.com"
	for name, tt := range map[string]struct {
		production map[string]string // its environment
		code       int
		says       string
	}{
		"the same":             {map[string]string{"POSTGRES_URL": server + ":5432?sslmode=require", "INSTANCE_NAME": "tale_platform"}, exit.Config, "would use the database tale_platform at db.example.com:5432, which is that of "},
		"the same by parts":    {map[string]string{"DB_HOST": "db.example.com", "DB_PASSWORD": "x"}, exit.Config, "which is that of "},
		"with a secret's file": {map[string]string{"DB_HOST": "db.example.com", "DB_PASSWORD_FILE": "/run/secrets/db"}, exit.Config, "which is that of "},
		"another instance":     {map[string]string{"POSTGRES_URL": server, "INSTANCE_NAME": "tale-live"}, 0, "note: documents are in tale_platform at db.example.com:5432"},
		"a database inside":    {map[string]string{"DB_PASSWORD": "x"}, 0, "note: documents are in "},
		"a file":               {map[string]string{"CONVEX_STORAGE": "sqlite"}, 0, "note: documents are in "},
		"another server":       {map[string]string{"POSTGRES_URL": "postgresql://shop:x@live.example.com"}, 0, "note: documents are in "},
		"no settings at all":   {nil, 0, "note: documents are in "},
	} {
		t.Run(name, func(t *testing.T) {
			docker, dir := enginetest.New(t), t.TempDir()
			docker.DockerInPath(t)
			line.Run(nil, "", "init", dir, "--services", "convex", "--registry", "r.example/x", "--release", "1.0.0", "--database-url", server).Expect(t, 0, "", "")
			p := taletest.Project(t, dir)
			docker.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-convex:1.0.0"}, HealthCheck: true})
			docker.AddContainer(enginetest.Container{Project: p.File.ID, Service: "convex", Name: p.File.ID + "-convex", Image: "r.example/x/tale-convex:1.0.0", Environment: tt.production})
			environ := docker.Environ(t)
			line.Run(environ, "", "start", "--detach", "--project", dir).Expect(t, tt.code, "", tt.says)
		})
	}
}
