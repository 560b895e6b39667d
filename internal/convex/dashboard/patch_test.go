package dashboard

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// standaloneScript has the shape of the server.js that Next.js 15 writes for
// "output: standalone".
const standaloneScript = `const path = require('path')
const dir = path.join(__dirname)
process.chdir(__dirname)
const currentPort = parseInt(process.env.PORT, 10) || 3000
const nextConfig = {"env":{},"distDir":"./.next","assetPrefix":"","amp":{"canonicalBase":""},"basePath":"","trailingSlash":false,"experimental":{"a":"{\"nested\":1}"}}

process.env.__NEXT_PRIVATE_STANDALONE_CONFIG = JSON.stringify(nextConfig)
startServer({ dir, isDev: false, config: nextConfig, port: currentPort })
`

func standalone(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "server.js"), []byte(script), 0o640); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPatch(t *testing.T) {
	dir := standalone(t, standaloneScript)
	if err := Patch(dir, "/convex-dashboard"); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(standaloneScript, `"assetPrefix":""`, `"assetPrefix":"/convex-dashboard"`, 1)
	want = strings.Replace(want, `"basePath":""`, `"basePath":"/convex-dashboard"`, 1)
	if got := testkit.ReadFile(t, filepath.Join(dir, "server.js")); got != want {
		t.Errorf("got\n%s", got)
	}
	info, err := os.Stat(filepath.Join(dir, "server.js"))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestPatchFailsOnAnythingUnexpected(t *testing.T) {
	replace := func(from, to string) string { return strings.Replace(standaloneScript, from, to, 1) }
	tests := map[string]struct{ script, basePath, want string }{
		"no base path":         {replace(`"basePath":"",`, ""), "/x", "found 0"},
		"no asset prefix":      {replace(`"assetPrefix":"",`, ""), "/x", "found 0"},
		"two base paths":       {replace(`"amp":{`, `"amp":{"basePath":"",`), "/x", "found 2"},
		"patched already":      {replace(`"basePath":""`, `"basePath":"/x"`), "/x", `basePath is "/x" already`},
		"single quotes":        {replace(`"basePath":""`, `'basePath':''`), "/x", "found 0"},
		"no configuration":     {"console.log(1)", "/x", "found 0"},
		"two configurations":   {standaloneScript + standaloneScript, "/x", "found 2"},
		"path without slash":   {standaloneScript, "x", "base path"},
		"path ends in slash":   {standaloneScript, "/x/", "base path"},
		"path breaks the file": {standaloneScript, `/x","y":"`, "base path"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := standalone(t, tt.script)
			err := Patch(dir, tt.basePath)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if got := testkit.ReadFile(t, filepath.Join(dir, "server.js")); got != tt.script {
				t.Errorf("the file was changed")
			}
		})
	}
	if err := Patch(t.TempDir(), "/x"); err == nil || !strings.Contains(err.Error(), "standalone") {
		t.Errorf("a folder without server.js: %v", err)
	}
}
