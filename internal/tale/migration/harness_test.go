package migration_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

func TestMain(m *testing.M) {
	os.Exit(enginetest.Main(m, map[string]func() int{"migrate": migrate}))
}

// host is an engine with a project, whose volumes are maps.
type host struct {
	*enginetest.Server
	t       *testing.T
	engine  *engine.Engine
	subject migration.Subject

	mu       sync.Mutex
	contents map[string]migration.Content
	data     map[string]string
	strays   map[string]int64
	calls    []string // of the volumes
	fail     string   // the call that fails
	said     []string
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{Server: enginetest.New(t), t: t, contents: map[string]migration.Content{}, data: map[string]string{}, strays: map[string]int64{}}
	h.engine = h.Connect(t, engine.Options{Docker: h.Docker(t)})
	h.subject = migration.Subject{Engine: h.engine, Volumes: h, Project: &project.Project{Dir: t.TempDir(), File: project.File{ID: "p"}}}
	return h
}

var errBroken = errors.New("the helper is broken")

func (h *host) call(verb, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, verb+" "+name)
	if h.fail == verb+" "+name {
		return errBroken
	}
	return nil
}

func (h *host) Look(_ context.Context, name string) (migration.Content, error) {
	err := h.call("look", name)
	h.mu.Lock()
	defer h.mu.Unlock()
	content, there := h.contents[name]
	if !there {
		content = migration.Content{Exists: true, Empty: true}
	}
	return content, err
}

func (h *host) Copy(ctx context.Context, c migration.Copy, labels map[string]string, _ func(migration.Event)) error {
	if err := h.engine.CreateVolume(ctx, c.To, labels); err != nil {
		return err
	}
	h.mu.Lock()
	content := h.contents[c.From]
	content.From, content.Done, content.Copied = c.From, time.Time{}, content.Print
	h.contents[c.To] = content
	h.mu.Unlock()
	if err := h.call("copy", c.To); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	content.Done = time.Now()
	h.contents[c.To], h.data[c.To] = content, h.data[c.From]
	if c.App {
		h.data[c.To] += " for 1001"
	}
	return nil
}

func (h *host) Strays(_ context.Context, name string) (int64, error) {
	return h.strays[name], h.call("strays", name)
}

func (h *host) Own(_ context.Context, name string) error {
	h.strays[name] = 0
	return h.call("own", name)
}

// volume puts a volume with data there.
func (h *host) volume(name string) {
	h.AddVolume(name, nil)
	h.contents[name] = migration.Content{Exists: true, Bytes: 1 << 20, Files: 3}
	h.data[name] = "data of " + name
}

// legacy puts the all-in-one stack of before 0.2.33 there, with the volumes of one host's
// only project. Folder is where its compose file is, "" for containers that do not say.
func (h *host) legacy(folder string, running bool) {
	for _, name := range []string{"platform-data", "db-data", "db-backup", "rag-data", "crawler-data", "caddy-data", "caddy-config"} {
		h.volume("tale_" + name)
	}
	labels := map[string]string{}
	if folder != "" {
		labels["com.docker.compose.project.working_dir"] = folder
	}
	type made struct {
		project string
		volumes map[string]string
	}
	containers := map[string]made{
		"db":            {"tale", map[string]string{"/var/lib/postgresql/data": "tale_db-data", "/var/lib/postgresql/backup": "tale_db-backup"}},
		"proxy":         {"tale", map[string]string{"/data": "tale_caddy-data", "/config": "tale_caddy-config"}},
		"platform-blue": {"tale-blue", map[string]string{"/app/data": "tale_platform-data"}},
		"rag-blue":      {"tale-blue", map[string]string{"/app/data": "tale_rag-data", "/config": "tale_platform-data"}},
		"crawler-blue":  {"tale-blue", map[string]string{"/app/data": "tale_crawler-data"}},
	}
	for _, name := range slices.Sorted(maps.Keys(containers)) { // so that they have the same ids each time
		c := containers[name]
		h.AddContainer(enginetest.Container{Name: "tale-" + name, Image: "old/" + name + ":0.2.32", Project: c.project, Service: name, Volumes: c.volumes, Labels: labels, Running: running})
	}
}

// service puts a container of the project there.
func (h *host) service(project, name string, running bool, volumes map[string]string) string {
	return h.AddContainer(enginetest.Container{Name: "p-" + name, Image: "old/" + name + ":0.2.34", Project: project, Service: name, Volumes: volumes, Running: running})
}

func (h *host) observe() *migration.Observation {
	h.t.Helper()
	o, err := migration.Observe(h.t.Context(), h.subject)
	if err != nil {
		h.t.Fatal(err)
	}
	return o
}

func (h *host) pending() migration.Plan {
	h.t.Helper()
	plan, err := h.observe().Pending(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return plan
}

// ids returns the pending migrations with what they copy, give away and rename.
func (h *host) ids() string {
	h.t.Helper()
	return text(h.pending())
}

func text(plan migration.Plan) string {
	var lines []string
	for _, step := range plan.Steps {
		words := []string{step.ID + ":"}
		for _, c := range step.Copies {
			words = append(words, c.From+">"+c.To)
		}
		for _, name := range step.Owns {
			words = append(words, "own "+name)
		}
		for _, m := range step.Moves {
			words = append(words, "move "+m.Name)
		}
		lines = append(lines, strings.Join(words, " "))
	}
	for _, doubt := range plan.Unclear {
		lines = append(lines, "doubt "+doubt.Volume)
	}
	return strings.Join(lines, "; ")
}

func (h *host) run() *migration.Run {
	return &migration.Run{Subject: h.subject, Plan: h.pending(), Version: "1.2.3", Say: func(e migration.Event) { h.said = append(h.said, e.Subject+" "+e.Text) }}
}

// running returns the names of the containers that run.
func (h *host) running() string {
	h.t.Helper()
	all, err := h.engine.Everything(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, c := range all {
		if c.State.Running {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// volumes returns what is in the volumes that there are.
func (h *host) volumes() map[string]string {
	h.t.Helper()
	list, err := h.engine.Volumes(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	found := map[string]string{}
	for _, v := range list {
		found[v.Name] = h.data[v.Name]
	}
	return found
}

func (h *host) sources() string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(h.volumes())) {
		if strings.HasPrefix(name, "tale_") {
			lines = append(lines, fmt.Sprintf("%s=%s", name, h.data[name]))
		}
	}
	return strings.Join(lines, "\n")
}

func (h *host) expect(what, got, want string) {
	h.t.Helper()
	if got != want {
		h.t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}
