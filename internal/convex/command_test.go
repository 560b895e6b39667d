package convex

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestCommandLine(t *testing.T) {
	fresh, patched := t.TempDir(), t.TempDir()
	testkit.WriteTree(t, fresh, map[string]string{"server.js": `const nextConfig = {"assetPrefix":"","basePath":""}`})
	testkit.WriteTree(t, patched, map[string]string{"server.js": `const nextConfig = {"assetPrefix":"","basePath":"/x"}`})
	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		"help":            {[]string{"--help"}, 0, "patch-dashboard"},
		"help of run":     {[]string{"run", "--help"}, 0, "convex-entrypoint run"},
		"help of seed":    {[]string{"seed", "--help"}, 0, "convex-entrypoint seed"},
		"unknown command": {[]string{"sing"}, exit.Usage, "admin-key"},
		"unknown flag":    {[]string{"run", "--loud"}, exit.Usage, "--loud"},
		"patch, no dir":   {[]string{"patch-dashboard"}, exit.Usage, "is called as"},
		"patch":           {[]string{"patch-dashboard", fresh}, 0, "/convex-dashboard"},
		"patch again":     {[]string{"patch-dashboard", patched}, 1, "already"},
		"seed":            {[]string{"seed"}, 0, "no built-in configuration"},
		"healthcheck":     {[]string{"healthcheck"}, 1, "not ready: no marker"},
		"version":         {[]string{"version"}, 0, ""},
		"exec":            {[]string{"exec", "--", "sh", "-c", "exit 7"}, 7, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newService(t).start(tt.args...)
			if code := s.WaitWithin(10 * time.Second); code != tt.code || !s.Says(tt.want) {
				t.Errorf("exit code %d, want %d; output %q", code, tt.code, s.Output.String())
			}
		})
	}
}

func TestAdminKeyCommand(t *testing.T) {
	s := newService(t).start("admin-key")
	if code := s.WaitWithin(10 * time.Second); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if _, err := keybroker.Open("tale_platform", secretA.Reveal(), strings.TrimSpace(s.Output.String())); err != nil {
		t.Errorf("the key does not open: %v", err)
	}
	if bad := newService(t, "INSTANCE_SECRET", "short").start("admin-key"); bad.WaitWithin(10*time.Second) != exit.Config || bad.Says("short") {
		t.Error("a malformed secret was taken")
	}
}

func TestEnvFile(t *testing.T) {
	s := newService(t)
	delete(s.environ, "INSTANCE_SECRET")
	testkit.WriteTree(t, s.dir, map[string]string{".env": "INSTANCE_SECRET=" + secretA.Reveal() + "\n"})
	s.start("admin-key", "--env-file", filepath.Join(s.dir, ".env"))
	if code := s.WaitWithin(10 * time.Second); code != 0 || !s.Says("tale_platform|01") {
		t.Errorf("exit code %d", code)
	}
}
