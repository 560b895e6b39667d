package project

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
)

func made(t *testing.T, o Options) (*Project, map[string]string) {
	t.Helper()
	if _, err := Init(o); err != nil {
		t.Fatal(err)
	}
	p, err := Find(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if o.NoEnv {
		return p, nil
	}
	values, err := ReadEnv(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return p, values
}

// What init writes is what the services take.
func TestInitWritesWhatTheServicesTake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "shop")
	p, env := made(t, Options{Dir: dir, Version: "1.2.3"})
	if _, err := p.Settings(nil); err != nil {
		t.Error(err)
	}
	for _, group := range []any{&stack.Site{}, &stack.Instance{}, &stack.Database{}} {
		if err := config.Load(group, env); err != nil {
			t.Errorf("%T: %v", group, err)
		}
	}
	if p.File.CLIVersion != "1.2.3" || p.File.Version != 1 || !regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`).MatchString(p.File.CreatedAt) || !strings.HasPrefix(p.File.ID, "shop-") {
		t.Errorf("%+v", p.File)
	}
	for name, perm := range map[string]os.FileMode{EnvName: 0o600, FileName: 0o644, ".gitignore": 0o644, "providers": 0o700, "agents": 0o755} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != perm {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if want := []string{".env", ".gitignore", "agents", "branding", "integrations", "providers", "tale.json", "workflows"}; !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
}

func TestFormsOfSecrets(t *testing.T) {
	_, a := made(t, Options{Dir: t.TempDir()})
	_, b := made(t, Options{Dir: t.TempDir()})
	for name, form := range map[string]func(string) error{
		"BETTER_AUTH_SECRET":    bytesOf(32, base64.StdEncoding.DecodeString),
		"ENCRYPTION_SECRET_HEX": bytesOf(32, hex.DecodeString),
		"INSTANCE_SECRET":       bytesOf(32, hex.DecodeString),
		"METRICS_BEARER_TOKEN":  bytesOf(32, hex.DecodeString),
		"DB_PASSWORD":           bytesOf(16, base64.RawURLEncoding.DecodeString),
		"SOPS_AGE_KEY": func(text string) error {
			_, err := age.ParseX25519Identity(text)
			return err
		},
	} {
		if err := form(a[name]); err != nil || a[name] == b[name] {
			t.Errorf("%s=%q: %v", name, a[name], err)
		}
	}
}

func bytesOf(n int, decode func(string) ([]byte, error)) func(string) error {
	return func(text string) error {
		if bytes, err := decode(text); err != nil || len(bytes) != n {
			return fmt.Errorf("%d bytes: %w", len(bytes), err)
		}
		return nil
	}
}

func TestInitAgainChangesNothing(t *testing.T) {
	dir := t.TempDir()
	made(t, Options{Dir: dir})
	before := snapshot(t, dir)
	r, err := Init(Options{Dir: dir, Settings: map[string]string{"HOST": "localhost"}})
	if err != nil || len(r.Made)+len(r.Changed)+len(r.Added) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if !maps.Equal(before, snapshot(t, dir)) {
		t.Error("something has changed")
	}
}

// snapshot returns what is in a folder, with the times of the last change.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			files[path] = info.ModTime().String() + info.Mode().String() + read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Whatever is missing of a file is filled in, and what is there stays byte for byte.
func TestInitCompletesAnyPartOfAFile(t *testing.T) {
	_, whole := made(t, Options{Dir: t.TempDir()})
	names := slices.Sorted(maps.Keys(whole))
	for bits := 0; bits < 1<<len(names); bits += 13 {
		var lines []string
		kept := map[string]string{"OWN": "x # y"}
		for i, name := range names {
			switch {
			case bits&(1<<i) != 0:
				lines = append(lines, name+"="+whole[name])
				kept[name] = whole[name]
			case i%2 == 0:
				lines = append(lines, name+"=")
			}
		}
		lines = append(lines, "# my own", "OWN='x # y'")
		dir := folder(t, map[string]string{EnvName: strings.Join(lines, "\n")})
		p, after := made(t, Options{Dir: dir})
		if _, err := p.Settings(nil); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if after[name] == "" {
				t.Fatalf("%s is missing", name)
			}
		}
		for name, value := range kept {
			if after[name] != value {
				t.Fatalf("%s was %q and is %q", name, value, after[name])
			}
		}
		if text := read(t, dir, EnvName); !strings.Contains(text, "# my own\nOWN='x # y'") {
			t.Fatal(text)
		}
	}
}

func TestInitClosesAFileThatOthersCouldRead(t *testing.T) {
	dir := folder(t, nil)
	p, _ := made(t, Options{Dir: dir})
	text := read(t, p.envPath())
	if err := os.Chmod(p.envPath(), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Init(Options{Dir: dir})
	info, _ := os.Stat(p.envPath())
	if err != nil || info.Mode().Perm() != 0o600 || !slices.Equal(r.Changed, []string{EnvName}) || read(t, p.envPath()) != text {
		t.Errorf("%v, %+v, %v", info.Mode(), r, err)
	}
}

func TestInitReplacesNothingUnasked(t *testing.T) {
	secret := "postgresql://u:p@db.example"
	base := map[string]string{"HOST": "a.example", "TLS_MODE": "external", "POSTGRES_URL": secret}
	for _, tt := range []struct {
		asked map[string]string
		force bool
		flag  string            // of the error
		want  map[string]string // afterwards
	}{
		{map[string]string{"HOST": "b.example"}, false, "--host", nil},
		{map[string]string{"HOST": "b.example"}, true, "", map[string]string{"HOST": "b.example", "SITE_URL": "https://b.example"}},
		{map[string]string{"SITE_URL": "https://b.example:8443"}, false, `--site-url is another value than .env has, "https://a.example"`, nil},
		{map[string]string{"SITE_URL": "https://b.example:8443"}, true, "", map[string]string{"HOST": "b.example", "SITE_URL": "https://b.example:8443"}},
		{map[string]string{"SITE_URL": "https://a.example"}, false, "", map[string]string{"HOST": "a.example"}},
		{map[string]string{"TLS_MODE": "letsencrypt"}, false, "--tls", nil},
		{map[string]string{"BASE_PATH": "/x"}, false, "", map[string]string{"BASE_PATH": "/x", "HOST": "a.example"}},
		{map[string]string{"POSTGRES_URL": "postgresql://u:p@other"}, true, "never replaces a secret", nil},
		{map[string]string{"POSTGRES_URL": secret, stack.Registry: "r.example/x"}, false, "", map[string]string{stack.Registry: "r.example/x", "DB_PASSWORD": ""}},
		{map[string]string{stack.Version: "1.2.3"}, false, "", map[string]string{stack.Version: "1.2.3"}},
	} {
		dir := folder(t, nil)
		made(t, Options{Dir: dir, Settings: base})
		before := snapshot(t, dir)
		_, err := Init(Options{Dir: dir, Settings: tt.asked, Force: tt.force})
		if tt.flag != "" {
			if exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), tt.flag) || strings.Contains(err.Error(), "u:p@") {
				t.Errorf("%v: %v", tt.asked, err)
			}
			if !maps.Equal(before, snapshot(t, dir)) {
				t.Errorf("%v: something has changed", tt.asked)
			}
			continue
		}
		env, _ := ReadEnv(dir)
		for name, value := range tt.want {
			if env[name] != value {
				t.Errorf("%v: %s=%q, %v", tt.asked, name, env[name], err)
			}
		}
		for _, name := range []string{"INSTANCE_SECRET", "POSTGRES_URL"} {
			if !strings.Contains(before[filepath.Join(dir, EnvName)], name+"="+env[name]) {
				t.Errorf("%v: %s was replaced", tt.asked, name)
			}
		}
	}
}

func TestHostAndAddressBelongTogether(t *testing.T) {
	for _, tt := range []struct{ before, host, site, wantHost, wantSite string }{
		{"", "", "", "localhost", "https://localhost"},
		{"", "a.example", "", "a.example", "https://a.example"},
		{"", "", "https://a.example:8443", "a.example", "https://a.example:8443"},
		{"", "inside.local", "https://a.example", "inside.local", "https://a.example"},
		{"", "fd00::1", "", "fd00::1", "https://[fd00::1]"},
		{"HOST=a.example\n", "", "", "a.example", "https://a.example"},
		{"HOST=a\nSITE_URL=https://a:1\n", "b", "", "b", "https://b:1"},
		{"HOST=inside\nSITE_URL=https://a:1\n", "b", "", "b", "https://a:1"},
	} {
		dir := folder(t, map[string]string{EnvName: tt.before})
		_, env := made(t, Options{Dir: dir, Force: true, Settings: map[string]string{"HOST": tt.host, "SITE_URL": tt.site}})
		if env["HOST"] != tt.wantHost || env["SITE_URL"] != tt.wantSite {
			t.Errorf("%+v: %s, %s", tt, env["HOST"], env["SITE_URL"])
		}
	}
}

func TestInitRefuses(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		code int
		says []string
	}{
		{Options{Settings: map[string]string{"TLS_MODE": "letsencrypt"}}, exit.Usage, []string{"--host"}},
		{Options{Settings: map[string]string{"TALE_VERSION": "1.0 0/x"}}, exit.Usage, []string{"--release is", "no tag", "accepted: one such as 1.4.0"}},
		{Options{Settings: map[string]string{"TALE_VERSION": "5000/x"}}, exit.Usage, []string{"--release is", "no tag", "accepted: one such as 1.4.0"}},
		{Options{Settings: map[string]string{"TALE_VERSION": "-1"}}, exit.Usage, []string{"--release is", "no tag", "accepted: one such as 1.4.0"}},
		{Options{Settings: map[string]string{"TALE_VERSION": strings.Repeat("1", 129)}}, exit.Usage, []string{"--release is", "no tag", "accepted: one such as 1.4.0"}},
		{Options{Settings: map[string]string{"TLS_MODE": "letsencrypt", "HOST": "10.0.0.local"}}, exit.Usage, []string{"--host"}},
		{Options{Settings: map[string]string{"TLS_MODE": "nope", "HOST": "a b", "BASE_PATH": "/api", "TLS_EMAIL": "me"}}, exit.Config,
			[]string{"TLS_MODE (--tls)", "HOST (--host)", "BASE_PATH (--base-path)", "TLS_EMAIL (--tls-email)"}},
		{Options{Settings: map[string]string{"SITE_URL": "https://a.example/x"}}, exit.Config, []string{"SITE_URL (--site-url)"}},
		{Options{Settings: map[string]string{"SITE_URL": "http://[::1"}}, exit.Config, []string{"--site-url"}},
		{Options{Settings: map[string]string{"POSTGRES_URL": "mysql://u:hunter2@x"}}, exit.Config, []string{"POSTGRES_URL (--database-url)"}},
		{Options{Services: []string{"web"}}, exit.Config, []string{`"web"`, "crawler"}},
		{Options{Services: []string{"db", "platform"}}, exit.Config, []string{"convex"}},
		{Options{Services: []string{"convex", "platform", "proxy"}}, exit.Config, []string{"POSTGRES_URL", "no db"}},
		{Options{Name: "My Shop"}, exit.Config, []string{"--name"}},
		{Options{Images: map[string]string{"web": "r/shop:1"}}, exit.Config, []string{"images", `"web"`, "platform"}},
		{Options{Images: map[string]string{"platform": ""}}, exit.Config, []string{"images", "platform"}},
		{Options{Images: map[string]string{"platform": "https://r/shop:1"}}, exit.Config, []string{"images", "registry.example.com/shop:1.4"}},
	} {
		tt.o.Dir = folder(t, nil)
		_, err := Init(tt.o)
		if exit.Code(err) != tt.code || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", tt.o, err)
			continue
		}
		for _, says := range tt.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%v does not say %q", err, says)
			}
		}
		if entries, _ := os.ReadDir(tt.o.Dir); len(entries) != 0 {
			t.Errorf("%+v: %v was written", tt.o, entries)
		}
	}
}

// TestInitBlamesTheFlagThatWasGiven in a project that is complete, and the value before the file
// that has another one: --force would not help.
func TestInitBlamesTheFlagThatWasGiven(t *testing.T) {
	dir := folder(t, nil)
	made(t, Options{Dir: dir, Name: "shop", Services: []string{"db", "convex", "platform", "proxy"}, Settings: map[string]string{
		"HOST": "a.example", "TLS_MODE": "external", "TLS_EMAIL": "a@a.example", "BASE_PATH": "/a", stack.Registry: "r.example/a", stack.Version: "1.0.0",
	}})
	bad := map[string]string{
		"HOST": "https://x", "SITE_URL": "foo", "TLS_MODE": "nope", "TLS_EMAIL": "foo", "BASE_PATH": "/api", stack.Registry: "https://r.example", stack.Version: "a b", "POSTGRES_URL": "mysql://x",
	}
	if len(bad) != len(flags) {
		t.Errorf("%d of %d flags", len(bad), len(flags))
	}
	given := map[string]Options{"--name": {Name: "A B"}, "--services": {Services: []string{"web"}}, "images": {Images: map[string]string{"platform": "a b"}}}
	for variable, value := range bad {
		given["("+flags[variable]+")"] = Options{Settings: map[string]string{variable: value}}
	}
	given["--release"] = given["("+flags[stack.Version]+")"]
	delete(given, "("+flags[stack.Version]+")")
	given["needs a host name that the internet knows, and \"localhost\" is none: name it with --site-url"] = Options{Force: true, Settings: map[string]string{"SITE_URL": "https://localhost", "TLS_MODE": "letsencrypt"}}
	given["\"10.0.0.1\" is none: name it with --host"] = Options{Force: true, Settings: map[string]string{"HOST": "10.0.0.1", "TLS_MODE": "letsencrypt"}}
	given[`(--site-url) "ftp:`] = Options{Settings: map[string]string{"SITE_URL": "ftp://b.example", "TLS_MODE": "letsencrypt"}}
	for says, o := range given {
		o.Dir = dir
		_, err := Init(o)
		if code := exit.Code(err); code != exit.Usage && code != exit.Config || !strings.Contains(err.Error(), says) && !strings.HasPrefix(says, "--services") || strings.Contains(err.Error(), "--force") || strings.Contains(err.Error(), "problems") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestInitTellsOfAHostOnce: not of the address that it would make.
func TestInitTellsOfAHostOnce(t *testing.T) {
	_, err := Init(Options{Dir: folder(t, nil), Settings: map[string]string{"HOST": "https://a.example"}})
	if err == nil || !strings.Contains(err.Error(), "HOST (--host)") || strings.Contains(err.Error(), "SITE_URL") {
		t.Errorf("%v", err)
	}
}

func TestInitOfOtherApps(t *testing.T) {
	dir := folder(t, map[string]string{FileName: `{"version":1,"images":{"platform":"registry.example/app:1"},"extra":1}`})
	p, _ := made(t, Options{Dir: dir, Name: "shop", Services: []string{"db", "convex", "platform", "proxy"}})
	if _, err := os.Stat(filepath.Join(dir, "agents")); err == nil {
		t.Error("folders of Tale's application")
	}
	if !strings.HasPrefix(p.File.ID, "shop-") || p.File.Name != "shop" || len(p.Services()) != 4 || !strings.Contains(read(t, dir, FileName), `"extra": 1`) {
		t.Errorf("%s", read(t, dir, FileName))
	}
	if _, err := Init(Options{Dir: dir, Services: []string{"db"}}); exit.Code(err) != exit.Usage {
		t.Error(err)
	}
	id := p.File.ID
	if p, _ = made(t, Options{Dir: dir, Services: []string{"db", "convex", "proxy"}, Name: "other", Force: true}); p.File.ID != id || p.File.Name != "other" || len(p.Services()) != 3 {
		t.Errorf("%+v", p.File)
	}
}

// TestInitOfAnAppOfYourOwn needs no edit of tale.json, and none of what is Tale's.
func TestInitOfAnAppOfYourOwn(t *testing.T) {
	dir, image := folder(t, nil), "r.example:5000/my-shop:1.4.0"
	p, _ := made(t, Options{Dir: dir, Images: map[string]string{stack.Platform: image}})
	var services []string
	for _, service := range p.Services() {
		services = append(services, service.Name)
	}
	if got := strings.Join(services, " "); got != "db convex platform proxy" || p.File.Images[stack.Platform] != image {
		t.Errorf("services %s, images %v", got, p.File.Images)
	}
	for _, name := range Folders() {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("the folder %s is made", name)
		}
	}
	other := map[string]string{stack.Platform: "r.example:5000/my-shop:1.4.1"}
	if _, err := Init(Options{Dir: dir, Images: other}); exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), image) {
		t.Errorf("another image: %v", err)
	}
	if p, _ = made(t, Options{Dir: dir, Images: other, Force: true}); p.File.Images[stack.Platform] != other[stack.Platform] {
		t.Errorf("with --force: %v", p.File.Images)
	}
	if p, _ = made(t, Options{Dir: folder(t, nil), Images: map[string]string{stack.DB: "r/db:17"}}); len(p.File.Services) > 0 {
		t.Errorf("another database: %v", p.File.Services)
	}
}

func TestIgnoredFiles(t *testing.T) {
	for before, after := range map[string]string{
		"node_modules": "node_modules\n" + strings.Join(ignored, "\n") + "\n",
		".env\r\n":     ".env\r\n.tale/\n.history/\ncompose.override.yml\ncompose.override.yaml\n**/*.secrets.json\n*.tar\n*.tar.age\n*.tar.partial\n*.tar.age.partial\n",
	} {
		dir := folder(t, map[string]string{".gitignore": before})
		made(t, Options{Dir: dir, NoEnv: true})
		if got := read(t, dir, ".gitignore"); got != after {
			t.Errorf("%q, want %q", got, after)
		}
		if _, err := os.Stat(filepath.Join(dir, EnvName)); err == nil {
			t.Error("--no-env")
		}
	}
}

// A link to a file elsewhere stays a link.
func TestEnvThatIsALink(t *testing.T) {
	dir, elsewhere := folder(t, nil), filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(elsewhere, []byte("HOST=a.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, EnvName)); err != nil {
		t.Fatal(err)
	}
	made(t, Options{Dir: dir})
	if target, err := os.Readlink(filepath.Join(dir, EnvName)); err != nil || target != elsewhere || !strings.Contains(read(t, elsewhere), "HOST=a.example\n") || !strings.Contains(read(t, elsewhere), "INSTANCE_SECRET=") {
		t.Errorf("%s, %v: %s", target, err, read(t, elsewhere))
	}
}

// A killed Init leaves no copies of secrets for ever.
func TestInitRemovesWhatAKilledOneHasLeft(t *testing.T) {
	own := []string{".tale-deploy-compose-1.yml", ".env.local", "..env.mine"}
	files := map[string]string{".tale-new-123": "x", "..env.456": "x", ".tale.json.7": "x", "..gitignore.8": "x"}
	for _, name := range own {
		files[name] = "x"
	}
	dir := folder(t, files)
	made(t, Options{Dir: dir})
	for name := range files {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != slices.Contains(own, name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTwoInitsMakeOneProject(t *testing.T) {
	dir := folder(t, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := Init(Options{Dir: dir}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	text := read(t, dir, EnvName)
	if strings.Count(text, "INSTANCE_SECRET=") != 1 {
		t.Error(text)
	}
	p, err := Find(dir)
	if err != nil || p.File.ID == "" {
		t.Error(err)
	}
	if entries, _ := filepath.Glob(filepath.Join(dir, ".*")); len(entries) != 2 {
		t.Errorf("left: %v", entries)
	}
}
