package platform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestDoctorLooksAtTheCLIThatWouldPush has an app whose CLI needs Node.js 22, with
// other Node.js beside it.
func TestDoctorLooksAtTheCLIThatWouldPush(t *testing.T) {
	root := t.TempDir()
	app, request := filepath.Join(root, "services", "web"), filepath.Join(root, "push-request.json")
	testkit.WriteTree(t, root, map[string]string{
		"node_modules/convex/package.json": `{"name":"convex","version":"1.49.0","engines":{"node":">=22.0.0"}}`,
		"node_modules/convex/bin/main.js":  "#!/usr/bin/env node\n",
		"push-request.json":                "{}",
	})
	node := func(version string) string {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "node"), []byte("#!/bin/sh\necho "+version+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	for name, c := range map[string]struct{ driver, app, request, node, want string }{
		"it would push":     {"cli", app, request, "22.3.0", "convex 1.49.0, run by "},
		"no request":        {"auto", app, request + ".missing", "22.3.0", "convex 1.49.0, run by "},
		"an old Node.js":    {"cli", app, request, "20.20.2", "convex 1.49.0 needs Node.js 22; this is 20.20.2"},
		"no CLI":            {"cli", t.TempDir(), request, "22.3.0", "cannot find the convex CLI"},
		"a request":         {"auto", app, request, "20.20.2", "is pushed without it"},
		"the native driver": {"native", app, request + ".missing", "20.20.2", "runs none"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &session{settings: &Settings{Deploy: DeploySettings{Driver: c.driver, AppDir: c.app, PushRequest: c.request}}, environ: config.Environ{"PATH": node(c.node)}}
			detail, err := s.checkCLI(t.Context())
			if err != nil {
				detail = err.Error()
			}
			if ok := strings.HasPrefix(c.want, "convex 1.49.0, "); ok != (err == nil) || !strings.Contains(detail, c.want) {
				t.Errorf("%q, %v", detail, err)
			}
		})
	}
}
