package project

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

const goodEnv = `HOST=example.com
SITE_URL=https://example.com
TLS_MODE=selfsigned
BETTER_AUTH_SECRET=x
ENCRYPTION_SECRET_HEX=x
INSTANCE_SECRET=1551a58f2d576269770d070f560d3f3882473ecb1acf4cf208112c3e2cf0f97b
DB_PASSWORD=x
`

func settingsOf(t *testing.T, file, env string, shell config.Environ) (Settings, error) {
	t.Helper()
	p, err := Find(folder(t, map[string]string{FileName: file, EnvName: env}))
	if err != nil {
		t.Fatal(err)
	}
	return p.Settings(shell)
}

func TestWhatComesFromTheShell(t *testing.T) {
	shell := config.Environ{
		"HOST": "shell.example", "TLS_EMAIL": "a@b.example", "BASE_PATH": "/x", "SENTRY_DSN": "", "GHCR_REGISTRY": "r.example/x",
		"PATH": "/bin", "EXPORTED": "1", "MY_APP": "no",
	}
	s, err := settingsOf(t, `{"version":1}`, goodEnv+"BASE_PATH=\nEXPORTED\nOWN=1\n", shell)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.FromShell(); !slices.Equal(got, []string{"EXPORTED", "GHCR_REGISTRY", "TLS_EMAIL"}) {
		t.Errorf("%v", got)
	}
	for name, want := range map[string]Value{
		"HOST": {"example.com", FromFile}, "BASE_PATH": {"", FromFile}, "OWN": {"1", FromFile}, "EXPORTED": {"1", Inherited},
		"GHCR_REGISTRY": {"r.example/x", FromShell}, "PATH": {}, "MY_APP": {}, "SENTRY_DSN": {},
	} {
		if s[name] != want {
			t.Errorf("%s: %v, want %v", name, s[name], want)
		}
	}
	if s.Get("HOST") != "example.com" || s.Environ()["OWN"] != "1" {
		t.Error(s)
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	const all, noDB = `{"version":1}`, `{"version":1,"services":["convex","platform","proxy"]}`
	for _, tt := range []struct {
		file, env string
		says      []string
	}{
		{all, "", []string{"BETTER_AUTH_SECRET is not set", "ENCRYPTION_SECRET_HEX is not set", "INSTANCE_SECRET is not set", "neither is DB_PASSWORD", "tale init"}},
		{all, strings.Replace(goodEnv, "https://example.com", "http://hunter2.example/x", 1), []string{"SITE_URL (.env, line 2) has the path"}},
		{all, goodEnv + "TLS_MODE=nope\nINSTANCE_SECRET=hunter2\n", []string{"TLS_MODE (.env, line 8)", "INSTANCE_SECRET (.env, line 9)"}},
		{all, goodEnv + "POSTGRES_URL=postgresql://u:hunter2@db.example/name\n", []string{"POSTGRES_URL (.env, line 8) names the database"}},
		{all, goodEnv + "TLS_EMAIL=me\nBASE_PATH=/api\nHOST=a b\n", []string{"TLS_EMAIL", "BASE_PATH", "HOST (.env, line 10)"}},
		{all, strings.Replace(goodEnv, "SITE_URL=https://example.com\n", "SITE_URL=\n", 1), []string{"SITE_URL (.env, line 2) is not set", "tale init"}},
		{all, goodEnv + "TLS_EMAIL=me\nPUBLISH_HTTP=80a\nPUBLISH_HTTPS=here:8443\n", []string{"TLS_EMAIL", "PUBLISH_HTTP (.env, line 9)", "PUBLISH_HTTPS (.env, line 10)"}},
		{noDB, goodEnv, []string{"POSTGRES_URL is not set, and the project has no db"}},
		{all, goodEnv + "A='hunter2\nB", []string{".env, line 8, has a quote that is not closed"}},
	} {
		s, err := settingsOf(t, tt.file, tt.env, nil)
		if exit.Code(err) != exit.Config {
			t.Errorf("%q: %v, %v", tt.env, s, err)
			continue
		}
		for _, says := range tt.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%v does not say %q", err, says)
			}
		}
		if strings.Contains(strings.ReplaceAll(err.Error(), "http://hunter2.example", ""), "hunter2") {
			t.Errorf("a value is shown: %v", err)
		}
	}
	for _, tt := range []struct{ file, env string }{
		{noDB, goodEnv + "POSTGRES_URL=postgresql://u:p@db.example\nDB_PASSWORD=\n"},
		{noDB, goodEnv + "DB_HOST=10.0.0.1\n"},
		{all, strings.Replace(goodEnv, "https://example.com", "https://example.com:80", 1) + "PUBLISH_HTTP=::1:8443\nPUBLISH_HTTPS=80\n"},
		{noDB, goodEnv + "CONVEX_STORAGE=sqlite\nDB_PASSWORD=\n"},
		{all, goodEnv + "SOPS_AGE_KEY_FILE=/nowhere/x\nINSTANCE_SECRET_FILE=/nowhere/y\n"},
	} {
		if _, err := settingsOf(t, tt.file, tt.env, nil); err != nil {
			t.Errorf("%q: %v", tt.env, err)
		}
	}
}

func TestNoEnvFile(t *testing.T) {
	p, err := Find(folder(t, map[string]string{FileName: "{}"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Settings(nil); exit.Code(err) != exit.Config || !strings.Contains(err.Error(), "tale init") {
		t.Error(err)
	}
	if err := os.Mkdir(filepath.Join(p.Dir, EnvName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Settings(nil); exit.Code(err) != exit.Config || !strings.Contains(err.Error(), "it is a folder") {
		t.Error(err)
	}
}

// TestMisspeltSettings: a warning only, and none of any variable that is documented.
func TestMisspeltSettings(t *testing.T) {
	document, err := os.ReadFile("../../../docs/environment.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)`").FindAllSubmatch(document, -1) {
		name := string(found[1])
		settings, text := Settings{name: {Text: "x", From: FromFile}}, envText{text: name + "=x\n"}
		text.split()
		if warnings := settings.misspelt(text); len(warnings) > 0 {
			t.Errorf("%q", warnings)
		}
	}
	for line, want := range map[string]string{
		"TALE_VERISON=2":                      ".env, line 2: TALE_VERISON is none of the stack's settings: is TALE_VERSION meant?",
		"PUBLISH_HTPS=8443":                   ".env, line 2: PUBLISH_HTPS is none of the stack's settings: is PUBLISH_HTTPS meant?",
		"TALE_VERISON=2\nTALE_VERSION=2":      "",
		"OPENAI_API_KEY=x":                    "",
		"HOSTS=x":                             "",
		"INSTANCE_SECRET_FILE=/run/secrets/x": "",
	} {
		text := envText{text: "# mine\n" + line + "\n"}
		text.split()
		settings := Settings{}
		for _, s := range text.statements {
			settings[s.name] = Value{Text: "x", From: FromFile}
		}
		if got := strings.Join(settings.misspelt(text), "\n"); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
