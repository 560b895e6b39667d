package files_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/files"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const realFile = `
services:
  convex:
    container_name: %[1]s
    image: %[2]s
    read_only: true
    cap_drop: [ALL]
    user: "1001:1001"
    network_mode: none
    command: [sleep, "600"]
    volumes: ["data:/app/data"]
    pull_policy: never
volumes: {data: {name: %[1]s, external: true}}
`

// TestRealDelivery delivers to a container that is hardened as that of convex.
func TestRealDelivery(t *testing.T) {
	image := testkit.EngineImage(t)
	name := fmt.Sprintf("files%d", os.Getpid())
	e, err := engine.Connect(t.Context(), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_ = e.Stop(ctx, name, time.Second)
		if err := errors.Join(e.Remove(ctx, name), e.RemoveVolume(ctx, name), e.Close()); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{"file.yml": fmt.Sprintf(realFile, name, image), "agents/deep/a.json": "1", "providers/x.secrets.json": "s"})
	if err := e.CreateVolume(t.Context(), name, nil); err != nil {
		t.Fatal(err)
	}
	if err := e.Up(t.Context(), engine.UpOptions{Project: name, File: filepath.Join(dir, "file.yml")}); err != nil {
		t.Fatal(err)
	}
	run := func(command string) string {
		t.Helper()
		out, said, code, err := e.Exec(t.Context(), name, []string{"sh", "-c", command}, nil)
		if err != nil || code != 0 {
			t.Fatalf("%s: %d, %v, %s", command, code, err, said)
		}
		return out
	}
	deliver := func() files.Plan {
		t.Helper()
		p, err := files.Compare(t.Context(), e, name, dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Deliver(t.Context(), e, dir, files.None); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := deliver(); actions(p.Changes) != "agents/deep/a.json add, providers/x.secrets.json add" {
		t.Error(actions(p.Changes))
	}
	if got := run("cd /app/data && find . -mindepth 1 -printf '%P %U:%G %m\\n' | sort"); got != `.tale-delivered.json 1001:1001 644
agents 1001:1001 755
agents/deep 1001:1001 755
agents/deep/a.json 1001:1001 644
providers 1001:1001 755
providers/x.secrets.json 1001:1001 644
` {
		t.Error(got)
	}
	testkit.WriteTree(t, dir, map[string]string{"agents/deep/a.json": "2", "agents/b.json": "1"})
	deliver()
	if got := run("cd /app/data/agents && cat deep/a.json b.json"); got != "21" {
		t.Error(got)
	}
	testkit.WriteTree(t, dir, map[string]string{"agents/deep/a.json": "3"})
	run("echo changed >/app/data/agents/deep/a.json; rm /app/data/agents/b.json")
	if p := deliver(); actions(p.Changes) != "agents/b.json deleted, agents/deep/a.json conflict" {
		t.Error(actions(p.Changes))
	}
	if got := run("cd /app/data/agents && cat deep/a.json && ls"); got != "changed\ndeep\n" {
		t.Error(got)
	}
}
