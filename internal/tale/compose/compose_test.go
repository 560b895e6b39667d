package compose_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// secrets are those that a stack does not start without.
var secrets = map[string]string{
	"DB_PASSWORD": "db-pass", "INSTANCE_SECRET": "instance-secret", "BETTER_AUTH_SECRET": "auth-secret", "ENCRYPTION_SECRET_HEX": "encryption-secret",
}

func settings(more map[string]string) project.Settings {
	settings := project.Settings{}
	for _, values := range []map[string]string{secrets, more} {
		for name, text := range values {
			settings[name] = project.Value{Text: text, From: project.FromFile}
		}
	}
	return settings
}

// options returns those of a project in a new folder.
func options(t *testing.T, env map[string]string, override string, services ...string) compose.Options {
	t.Helper()
	dir := t.TempDir()
	if override != "" {
		if err := os.WriteFile(filepath.Join(dir, "compose.override.yml"), []byte(override), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := compose.Options{
		Project:  &project.Project{Dir: dir, File: project.File{ID: "shop-1a2b", Services: services}},
		Settings: settings(env), Images: map[string]string{}, Versions: map[string]string{},
	}
	for _, service := range stack.Services() {
		o.Images[service.Name] = "registry.example/tale/tale-" + service.Name + ":1.2.3"
		o.Versions[service.Name] = "1.2.3"
	}
	return o
}

func production(t *testing.T, o compose.Options) *compose.Model {
	t.Helper()
	model, err := compose.Production(o)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func TestFileOfAColour(t *testing.T) {
	model := production(t, options(t, nil, ""))
	path, err := model.Write("shop-1a2b-green", nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if service, ok := model.Service(stack.Platform, stack.Green); !ok || service.Container != "shop-1a2b-platform-green" {
		t.Errorf("%+v", service)
	}
}
