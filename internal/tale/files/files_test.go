package files_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/files"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const convex = "shop-convex"

// stack returns an engine whose convex container has some files.
func stack(t *testing.T, inside map[string]string) (*enginetest.Server, *engine.Engine) {
	t.Helper()
	server := enginetest.New(t)
	server.AddContainer(enginetest.Container{Name: convex, Image: "x", Project: "shop", Service: "convex", Running: true})
	for name, content := range inside {
		server.SetFile(convex, "/app/data/"+name, content)
	}
	return server, server.Connect(t, engine.Options{})
}

func deliver(t *testing.T, e *engine.Engine, dir string, take files.Side) (files.Plan, []files.Change) {
	t.Helper()
	p, err := files.Compare(t.Context(), e, convex, dir)
	if err != nil {
		t.Fatal(err)
	}
	written, err := p.Deliver(t.Context(), e, dir, take)
	if err != nil {
		t.Fatal(err)
	}
	return p, written
}

func actions(changes []files.Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Path+" "+string(c.Action))
	}
	return strings.Join(all, ", ")
}

func TestDelivery(t *testing.T) {
	dir := t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{
		"agents/a.json": "1", "agents/deep/er/b.json": "1", "providers/x.json": "1", "providers/x.secrets.json": "here", "providers/new.secrets.json": "here",
		"branding/.DS_Store": "x", "other/c": "x", "agents/seeded.json": "mine",
	})
	server, e := stack(t, map[string]string{"providers/x.secrets.json": "there", "agents/seeded.json": "theirs\n", "agents/own.json": "made in the app"})
	want := map[string]string{
		"agents/a.json": "1", "agents/deep/er/b.json": "1", "providers/x.json": "1", "providers/x.secrets.json": "there", "providers/new.secrets.json": "here",
		"agents/seeded.json": "theirs\n", "agents/own.json": "made in the app", "branding/.DS_Store": "", "other/c": "",
	}
	is := func(when string) {
		t.Helper()
		for path, content := range want {
			if got, owner, found := server.File(convex, "/app/data/"+path); got != content || found != (content != "") || found && owner != 1001 && owner != 0 {
				t.Errorf("%s: %s is %q of %d, want %q", when, path, got, owner, content)
			}
		}
	}
	p, written := deliver(t, e, dir, files.None)
	if got := actions(p.Changes); got != "agents/a.json add, agents/deep/er/b.json add, agents/seeded.json conflict, providers/new.secrets.json add, providers/x.json add" || len(written) != 4 || !slices.Equal(p.Secrets, []string{"providers/x.secrets.json"}) {
		t.Errorf("%s; %v", got, p.Secrets)
	}
	is("first")
	if _, owner, _ := server.File(convex, "/app/data/agents/a.json"); owner != 1001 {
		t.Errorf("the owner is %d", owner)
	}
	// One is changed here, one there, one on both sides, one is deleted there, one here.
	server.SetFile(convex, "/app/data/agents/deep/er/b.json", "there")
	server.RemoveFile(convex, "/app/data/providers/x.json")
	testkit.WriteTree(t, dir, map[string]string{"agents/a.json": "2"})
	p, _ = deliver(t, e, dir, files.None)
	if got := actions(p.Changes); got != "agents/a.json update, agents/deep/er/b.json changed, agents/seeded.json conflict, providers/x.json deleted" {
		t.Error(got)
	}
	want["agents/a.json"], want["agents/deep/er/b.json"], want["providers/x.json"] = "2", "there", ""
	is("second")
	if _, written = deliver(t, e, dir, files.None); len(written) > 0 {
		t.Errorf("a second run writes %v", written)
	}
	// The stack's side gets here, where it is the last word then.
	deliver(t, e, dir, files.Stack)
	is("the stack's side")
	for path, content := range map[string]string{"agents/deep/er/b.json": "there", "agents/seeded.json": "theirs\n", "providers/x.secrets.json": "here", "providers/x.json": "1"} {
		if got, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(got) != content {
			t.Errorf("%s is %q here, %v", path, got, err)
		}
	}
	testkit.WriteTree(t, dir, map[string]string{"agents/seeded.json": "mine again"})
	server.SetFile(convex, "/app/data/agents/a.json", "there")
	if p, _ = deliver(t, e, dir, files.Host); actions(p.Changes) != "agents/a.json changed, agents/seeded.json update, providers/x.json deleted" {
		t.Error(actions(p.Changes))
	}
	want["agents/seeded.json"], want["providers/x.json"] = "mine again", "1"
	is("the host's side")
	if p, _ = deliver(t, e, dir, files.None); len(p.Changes) > 0 {
		t.Error(actions(p.Changes))
	}
	if _, err := p.Deliver(t.Context(), e, dir, "left"); exit.Code(err) != exit.Usage {
		t.Error(err)
	}
}

// Whatever happens in whatever order, what was changed or deleted in the stack since it
// was delivered is there afterwards, and nothing is deleted.
func TestWhatWasChangedInsideStays(t *testing.T) {
	for seed := range 150 {
		random := rand.New(rand.NewPCG(uint64(seed), 3))
		dir := t.TempDir()
		server, e := stack(t, nil)
		delivered := map[string]string{}
		for step := range 12 {
			name := []string{"agents/a.json", "workflows/x/b.json", "branding/c.json"}[random.IntN(3)]
			content := fmt.Sprint(random.IntN(4))
			switch random.IntN(4) {
			case 0:
				server.SetFile(convex, "/app/data/"+name, content)
			case 1:
				server.RemoveFile(convex, "/app/data/"+name)
			case 2:
				testkit.WriteTree(t, dir, map[string]string{name: content})
			default:
				before, there := map[string]string{}, map[string]bool{}
				for _, name := range []string{"agents/a.json", "workflows/x/b.json", "branding/c.json"} {
					before[name], _, there[name] = server.File(convex, "/app/data/"+name)
				}
				_, written := deliver(t, e, dir, files.None)
				for name := range before {
					last, known := delivered[name]
					after, _, still := server.File(convex, "/app/data/"+name)
					isWritten := slices.ContainsFunc(written, func(c files.Change) bool { return c.Path == name })
					if !isWritten && (after != before[name] || still != there[name]) {
						t.Fatalf("seed %d, step %d: %s was changed without a word", seed, step, name)
					}
					if isWritten && (there[name] && (!known || before[name] != last) || !there[name] && known) {
						t.Fatalf("seed %d, step %d: %s was %q, delivered %q, and is %q", seed, step, name, before[name], last, after)
					}
					if here, err := os.ReadFile(filepath.Join(dir, name)); err == nil && still && string(here) == after {
						delivered[name] = after
					}
				}
			}
		}
	}
}

// A delivery that was killed is taken up by the next: the half of a file that it has left
// is nobody's change.
func TestKilledDelivery(t *testing.T) {
	dir := t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{"agents/a.json": "the whole text"})
	server, e := stack(t, nil)
	deliver(t, e, dir, files.None)
	var record struct {
		Files   map[string]string `json:"files"`
		Pending map[string]string `json:"pending"`
	}
	read := func() {
		t.Helper()
		record.Files, record.Pending = nil, nil
		content, _, _ := server.File(convex, "/app/data/.tale-delivered.json")
		if err := json.Unmarshal([]byte(content), &record); err != nil {
			t.Fatal(err)
		}
	}
	read()
	// As it is in the middle.
	record.Files, record.Pending = nil, record.Files
	content, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	server.SetFile(convex, "/app/data/.tale-delivered.json", string(content))
	server.SetFile(convex, "/app/data/agents/a.json", "the wh")
	if p, written := deliver(t, e, dir, files.None); len(written) != 1 {
		t.Errorf("%s", actions(p.Changes))
	}
	if read(); len(record.Files) != 1 || len(record.Pending) > 0 {
		t.Errorf("%+v", record)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := files.Compare(ctx, e, convex, dir); err == nil {
		t.Error("an interrupt is no difference")
	}
}
