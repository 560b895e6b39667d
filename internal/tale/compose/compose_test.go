package compose_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const id = "shop-1a2b3c"

// secrets are what a stack does not start without.
var secrets = map[string]string{
	"DB_PASSWORD": "db-password-1", "INSTANCE_SECRET": "instance-secret-1", "BETTER_AUTH_SECRET": "auth-secret-1", "ENCRYPTION_SECRET_HEX": "encryption-secret-1",
}

// options returns those of a project in a new folder.
func options(t testing.TB, env map[string]string, override string, services ...string) compose.Options {
	t.Helper()
	o := compose.Options{
		Project:  &project.Project{Dir: t.TempDir(), File: project.File{ID: id, Services: services}},
		Settings: project.Settings{"SITE_URL": {Text: "https://tale.local", From: project.FromFile}}, Images: map[string]string{}, Versions: map[string]string{},
	}
	for _, values := range []map[string]string{secrets, env} {
		for name, text := range values {
			o.Settings[name] = project.Value{Text: text, From: project.FromFile}
		}
	}
	for _, service := range stack.Services() {
		o.Images[service.Name] = "registry.example/tale/tale-" + service.Name + ":1.2.3"
		o.Versions[service.Name] = "1.2.3"
	}
	if override != "" {
		write(t, filepath.Join(o.Project.Dir, "compose.override.yml"), override)
	}
	return o
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func production(t *testing.T, o compose.Options) *compose.Model {
	t.Helper()
	model, err := compose.Production(o)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func service(t *testing.T, model *compose.Model, name, colour string) compose.Service {
	t.Helper()
	service, ok := model.Service(name, colour)
	if !ok {
		t.Fatalf("there is no %s %s", name, colour)
	}
	return service
}

func names(services []compose.Service) (names []string) {
	for _, service := range services {
		names = append(names, service.Name)
	}
	return names
}

// files returns the compose files of a model as they are written, without the project's
// folder in them.
func files(t *testing.T, model *compose.Model, dir string, projects ...string) []byte {
	t.Helper()
	var all []byte
	for _, name := range projects {
		path, err := model.Write(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.ReplaceAll(text, []byte(dir), []byte("/srv/shop"))...)
	}
	return all
}

func TestGoldenFiles(t *testing.T) {
	site := map[string]string{"HOST": "shop.example", "SITE_URL": "https://shop.example"}
	with := func(more ...string) map[string]string {
		env := map[string]string{}
		for _, name := range []string{"HOST", "SITE_URL"} {
			env[name] = site[name]
		}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return env
	}
	foreign := map[string]bool{}
	for _, service := range stack.Services() {
		foreign[service.Name] = true
	}
	for name, tt := range map[string]struct {
		env      map[string]string
		override string
		services []string
		change   func(*compose.Options)
		files    []string
	}{
		"production":        {env: site, files: []string{id, id + "-blue"}},
		"colour":            {env: site, files: []string{id + "-green"}},
		"foreign-images":    {env: site, change: func(o *compose.Options) { o.Foreign = foreign }, files: []string{id, id + "-blue"}},
		"external-database": {env: with("POSTGRES_URL", "postgresql://shop:pw@db.example:5432"), files: []string{id}},
		"embedded-database": {env: with("CONVEX_STORAGE", "sqlite", "DB_PASSWORD", ""), services: []string{"convex", "platform", "proxy"}, files: []string{id}},
		"sub-path":          {env: with("BASE_PATH", "/shop", "PUBLISH_HTTP", "127.0.0.1:8080", "PUBLISH_HTTPS", "127.0.0.1:8443"), services: []string{"proxy", "platform"}, files: []string{id, id + "-blue"}},
		"fewer-services":    {env: site, services: []string{"convex", "platform", "proxy", "db"}, files: []string{id, id + "-blue"}},
		"override-image": {
			env: site, override: "services:\n  platform:\n    image: registry.example/mine:${TAG:-7}\n    environment: [EXTRA=1]\n  db:\n    shm_size: 1g\n",
			services: []string{"db", "convex", "platform", "proxy"}, files: []string{id, id + "-blue"},
		},
		"override-no-database": {env: with("DB_HOST", "elsewhere"), override: "services: {db: {profiles: [disabled]}}", services: []string{"db", "convex", "proxy"}, files: []string{id}},
		"override-reset-list":  {env: site, override: "services: {proxy: {ports: !override ['8443:443'], tmpfs: !reset []}, platform: {environment: {DEBUG_MODE: !reset null}}}", services: []string{"proxy", "platform"}, files: []string{id, id + "-green"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, tt.env, tt.override, tt.services...)
			if tt.change != nil {
				tt.change(&o)
			}
			testkit.Golden(t, name+".yml", files(t, production(t, o), o.Project.Dir, tt.files...))
		})
	}
	t.Run("development", func(t *testing.T) {
		o := options(t, site, "services: {platform: {ports: ['127.0.0.1:3000:3000'], volumes: ['./extra:/extra']}}")
		o.Port, o.Fresh, o.Host = 8443, true, "shop.local"
		for _, folder := range []string{"agents", "providers"} {
			if err := os.Mkdir(filepath.Join(o.Project.Dir, folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		model, err := compose.Development(o)
		if err != nil {
			t.Fatal(err)
		}
		// The hash is over the folder of the test, too.
		text := regexp.MustCompile("1:[0-9a-f]{64}").ReplaceAll(files(t, model, o.Project.Dir, id+"-dev"), []byte("HASH"))
		testkit.Golden(t, "development.yml", text)
	})
}

func TestFilesAreTheirOwnersAlone(t *testing.T) {
	model := production(t, options(t, nil, ""))
	path, err := model.Write(id, map[string]compose.Pin{stack.Proxy: {Image: "sha256:0123"}, stack.Platform: {Image: "sha256:4567"}, stack.Convex: {Version: "1.2.0"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(text, []byte("image: sha256:0123\n")) || !bytes.Contains(text, []byte("tale-convex:1.2.3\n")) || bytes.Contains(text, []byte("4567")) ||
		bytes.Count(text, []byte("TALE_VERSION: 1.2.0\n"))+bytes.Count(text, []byte(engine.LabelVersion+": 1.2.0\n")) != 2 {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := model.Write("other", nil); err == nil {
		t.Error("the file of another project is written")
	}
}

func TestWhatAStackHas(t *testing.T) {
	for name, tt := range map[string]struct {
		env      map[string]string
		override string
		services []string
		stay     string
		rotate   string
		volumes  string
	}{
		"all":                  {stay: "db convex proxy", rotate: "platform rag crawler", volumes: "caddy-config caddy-data convex-data crawler-data db-backup db-data proxy-ca rag-data"},
		"external database":    {env: map[string]string{"POSTGRES_URL": "postgresql://u:p@h:5432", "DB_PASSWORD": ""}, stay: "convex proxy", rotate: "platform rag crawler", volumes: "caddy-config caddy-data convex-data crawler-data proxy-ca rag-data"},
		"and its override":     {env: map[string]string{"POSTGRES_URL": "postgresql://u:p@h:5432"}, override: "services: {db: {profiles: [disabled]}}", services: []string{"convex", "platform"}, stay: "convex", rotate: "platform", volumes: "convex-data proxy-ca"},
		"embedded database":    {env: map[string]string{"CONVEX_STORAGE": "sqlite"}, services: []string{"db", "convex"}, stay: "convex", volumes: "convex-data proxy-ca"},
		"override for another": {override: "services: {rag: {container_name: shop}}", services: []string{"proxy"}, stay: "proxy", volumes: "caddy-config caddy-data proxy-ca"},
		"profile":              {override: "services: {rag: {profiles: [ai]}, crawler: {profiles: [web]}}", env: map[string]string{"COMPOSE_PROFILES": "ai,x"}, services: []string{"rag", "crawler"}, rotate: "rag", volumes: "convex-data rag-data"},
		"volume of the operator": {
			override: "services: {rag: {volumes: ['models:/models', 'shared:/shared']}}\nvolumes: {models: {}, shared: {external: true, name: elsewhere}}",
			services: []string{"rag"}, rotate: "rag", volumes: "convex-data models rag-data",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, tt.env, tt.override, tt.services...)
			model := production(t, o)
			for colour, want := range map[string]string{"": tt.stay, stack.Blue: tt.rotate, stack.Green: tt.rotate} {
				if got := strings.Join(names(model.Services(colour)), " "); got != want {
					t.Errorf("%q: %s, want %s", colour, got, want)
				}
			}
			var volumes []string
			for _, volume := range model.Volumes() {
				volumes = append(volumes, strings.TrimPrefix(volume, id+"_"))
			}
			if got := strings.Join(volumes, " "); got != tt.volumes || model.Network() != id+"_internal" {
				t.Errorf("%s, %s, want %s", got, model.Network(), tt.volumes)
			}
			for _, service := range slices.Concat(model.Services(""), model.Services(stack.Blue)) {
				for _, need := range service.Needs {
					if !slices.Contains(names(model.Services("")), need) {
						t.Errorf("%s needs %s, which is not there", service.Name, need)
					}
				}
			}
		})
	}
}

func TestServices(t *testing.T) {
	o := options(t, map[string]string{"PUBLISH_HTTPS": "127.0.0.1:8443"}, "")
	o.Fresh = true
	model := production(t, o)
	green := service(t, model, stack.RAG, stack.Green)
	if green.Project != id+"-green" || green.Container != id+"-rag-green" || green.Image != o.Images[stack.RAG] || strings.Join(green.Needs, " ") != "convex db" {
		t.Errorf("%+v", green)
	}
	proxy := service(t, model, stack.Proxy, "")
	want := []engine.Port{{Public: 80, Container: 80, Protocol: "tcp"}, {Host: "127.0.0.1", Public: 8443, Container: 443, Protocol: "tcp"}, {Host: "127.0.0.1", Public: 8443, Container: 443, Protocol: "udp"}}
	if !slices.Equal(proxy.Ports, want) || proxy.Container != id+"-proxy" || proxy.Project != id || proxy.Stop != 20e9 {
		t.Errorf("%+v", proxy)
	}
	if convex := service(t, model, stack.Convex, ""); convex.Environment["FORCE_SEED"] != "true" || convex.Environment["DB_PASSWORD"] != "db-password-1" || convex.Environment["TALE_VERSION"] != "1.2.3" {
		t.Errorf("%+v", convex)
	}
	if _, leaked := proxy.Environment["INSTANCE_SECRET"]; leaked {
		t.Error("the proxy gets a secret of the others")
	}
}

// TestHost: the option comes before .env, in the alias as well as in the environment.
func TestHost(t *testing.T) {
	for _, tt := range []struct{ file, option, want string }{{"", "", "tale.local"}, {"a.example", "", "a.example"}, {"a.example", "b.example", "b.example"}, {"", "b.example", "b.example"}} {
		o := options(t, nil, "")
		o.Host = tt.option
		if tt.file != "" {
			o.Settings["HOST"] = project.Value{Text: tt.file, From: project.FromFile}
		}
		model := production(t, o)
		file := files(t, model, o.Project.Dir, id)
		if got := service(t, model, stack.Proxy, "").Environment["HOST"]; got != tt.want || !bytes.Contains(file, []byte("- "+tt.want+"\n")) {
			t.Errorf("%+v: %s\n%s", tt, got, file)
		}
	}
}

// TestTheNameOfATerminator leads to it inside as well; what the proxy serves itself has its
// alias.
func TestTheNameOfATerminator(t *testing.T) {
	for site, want := range map[string]bool{"https://shop.example": false, "HTTPS://shop.example": false, "http://shop.example": true} {
		o := options(t, map[string]string{"HOST": "shop.example", "SITE_URL": site, "TLS_MODE": stack.TLSExternal}, "")
		if got := bytes.Contains(files(t, production(t, o), o.Project.Dir, id), []byte("- shop.example\n")); got != want {
			t.Errorf("%s: the proxy has the name: %v", site, got)
		}
	}
}

// TestWhereADevelopmentStackIs: where the options say, with a certificate of its own; a
// TLS terminator in front stays.
func TestWhereADevelopmentStackIs(t *testing.T) {
	for _, tt := range []struct {
		mode, host     string
		port           int
		site, wantMode string
	}{
		{"letsencrypt", "", 0, "https://shop.example", "selfsigned"},
		{"letsencrypt", "localhost", 0, "https://localhost", "selfsigned"},
		{"", "", 8443, "https://shop.example:8443", "selfsigned"},
		{"external", "localhost", 8443, "https://shop.example", "external"},
	} {
		o := options(t, map[string]string{"HOST": "shop.example", "SITE_URL": "https://shop.example", "TLS_MODE": tt.mode}, "")
		o.Host, o.Port = tt.host, tt.port
		model, err := compose.Development(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{stack.Proxy, stack.Platform, stack.Convex} {
			if got := service(t, model, name, "").Environment; got["SITE_URL"] != tt.site || got["TLS_MODE"] != tt.wantMode {
				t.Errorf("%+v: %s has %s, %s", tt, name, got["SITE_URL"], got["TLS_MODE"])
			}
		}
	}
}

// TestWhereValuesComeFrom: all of .env reaches those that get all of it; of the shell, and
// of the defaults, only what is asked for.
func TestWhereValuesComeFrom(t *testing.T) {
	o := options(t, map[string]string{"MY_OWN": "1"}, "")
	o.Settings["MAX_BODY"] = project.Value{Text: "5MB", From: project.FromShell}
	o.Settings["ASSETS_CACHE"] = project.Value{Text: "default", From: project.FromDefault}
	model := production(t, o)
	for _, tt := range []struct{ service, colour, variable, want string }{
		{stack.RAG, stack.Blue, "MY_OWN", "1"}, {stack.Convex, "", "MY_OWN", "1"}, {stack.Proxy, "", "MY_OWN", ""}, {stack.DB, "", "MY_OWN", ""},
		{stack.Proxy, "", "MAX_BODY", "5MB"}, {stack.Platform, stack.Blue, "MAX_BODY", ""}, {stack.Proxy, "", "ASSETS_CACHE", ""},
	} {
		if got := service(t, model, tt.service, tt.colour).Environment[tt.variable]; got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// TestAllProblemsAtOnce: what is missing is named in one error of the configuration, and
// nothing of what is there is shown.
func TestAllProblemsAtOnce(t *testing.T) {
	o := options(t, map[string]string{"INSTANCE_SECRET": "", "PUBLISH_HTTP": "eighty", "SOPS_AGE_KEY": "not \xff text", "SENTRY_DSN": strings.Repeat("x", 128<<10-11)}, "services: {platform: {container_name: shop}}")
	delete(o.Settings, "BETTER_AUTH_SECRET")
	o.Images[stack.RAG] = ""
	_, err := compose.Production(o)
	if err == nil || exit.Code(err) != exit.Config {
		t.Fatal(err)
	}
	for _, want := range []string{"INSTANCE_SECRET is not set", "BETTER_AUTH_SECRET is not set", "PUBLISH_HTTP", "SOPS_AGE_KEY is not UTF-8", "SENTRY_DSN is longer than the 128 KiB", "services.platform.container_name", "the image of rag"} {
		if strings.Count(err.Error(), want) != 1 {
			t.Errorf("%q is not there once in: %v", want, err)
		}
	}
	if entries, _ := os.ReadDir(o.Project.Dir); len(entries) != 1 {
		t.Errorf("something was written: %v", entries)
	}
	var unknown interface{ ExitCode() int }
	if !errors.As(err, &unknown) {
		t.Error("no exit code")
	}
}
