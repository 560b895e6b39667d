package migration_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/volume"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

var kills = flag.Int("kills", 6, "how often TestMigrationsThatAreKilled kills one")

// helper does the work of helper containers, and of none for tale itself.
func helper(ctx context.Context, root string, args []string, in io.Reader, out, _ io.Writer) error {
	if migration.Helps(args) {
		args = []string{args[0], filepath.Join(root, args[1]) + "/."}
		return migration.Helper(args, out)
	}
	return volume.Helper(ctx, root, args, in, out)
}

// migrate plays a tale that migrates and does nothing else.
func migrate() int {
	ctx := context.Background()
	dir := os.Getenv("MIGRATE_DIR")
	e, err := engine.Connect(ctx, engine.Options{Host: os.Getenv("MIGRATE_HOST"), Self: filepath.Join(dir, "tale.json"), Environ: config.Environ{"HOME": dir}})
	if err != nil {
		return failed(err)
	}
	subject := migration.Subject{Engine: e, Volumes: migration.On(e), Project: &project.Project{Dir: dir, File: project.File{ID: "p"}}, NewProxy: true}
	o, err := migration.Observe(ctx, subject)
	if err != nil {
		return failed(err)
	}
	plan, err := o.Pending(ctx)
	if err != nil {
		return failed(err)
	}
	run := migration.Run{Subject: subject, Plan: plan, Version: "1", Say: func(migration.Event) {}}
	if err := run.Apply(ctx); err != nil {
		return failed(err)
	}
	if err := run.Done(ctx); err != nil {
		return failed(err)
	}
	return 0
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// oldHost has the stack of before 0.2.33 with files of several kinds.
func oldHost(t *testing.T, chance *rand.Rand) (*enginetest.Server, string) {
	t.Helper()
	server, dir := enginetest.New(t), t.TempDir()
	server.SetHelper(helper)
	testkit.WriteTree(t, dir, map[string]string{"tale.json": "{}"})
	labels := map[string]string{"com.docker.compose.project.working_dir": dir}
	for name, volumes := range map[string][]string{"db": {"db-data", "db-backup"}, "proxy": {"caddy-data", "caddy-config"}, "platform": {"platform-data"}} {
		mounts := map[string]string{}
		for _, volume := range volumes {
			mounts["/"+volume] = "tale_" + volume
		}
		server.AddContainer(enginetest.Container{Name: "tale-" + name, Image: "old:1", Project: "tale", Service: name, Volumes: mounts, Labels: labels, Running: true})
		for _, volume := range volumes {
			fillFolder(t, server.Folder("tale_"+volume), chance)
		}
	}
	return server, dir
}

func fillFolder(t *testing.T, folder string, chance *rand.Rand) {
	t.Helper()
	files := map[string]string{"sub/empty": ""}
	for i := range 12 {
		files[fmt.Sprintf("sub/%d", i)] = strings.Repeat(fmt.Sprint(chance.Uint64()), chance.IntN(3000))
	}
	testkit.WriteTree(t, folder, files)
	for _, err := range []error{
		os.Symlink("sub/1", filepath.Join(folder, "link")), os.Link(filepath.Join(folder, "sub/2"), filepath.Join(folder, "hard")),
		os.Lchown(filepath.Join(folder, "sub/3"), 70, 70), os.Chmod(filepath.Join(folder, "sub/4"), 0o640),
		syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// state returns a line for each thing in a folder: all that there is to know of it.
func state(t *testing.T, folder string, app bool) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		status := info.Sys().(*syscall.Stat_t)
		owner := fmt.Sprint(status.Uid, ":", status.Gid)
		if app {
			owner = "1001:1001"
		}
		fmt.Fprintf(&b, "%s %s %s %s %d", strings.TrimPrefix(path, folder), info.Mode(), info.ModTime(), owner, status.Nlink)
		if info.Mode().IsRegular() {
			fmt.Fprintf(&b, " %q", testkit.ReadFile(t, path))
		}
		if target, err := os.Readlink(path); err == nil {
			fmt.Fprintf(&b, " -> %s", target)
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestMigrationsThatAreKilled kills the process at random moments, again and again, and
// lets the last one come to its end: every file is there as it was, and so are the
// sources.
func TestMigrationsThatAreKilled(t *testing.T) {
	testkit.RequireRoot(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	longest := time.Second
	killed := 0
	for killed < *kills {
		server, dir := oldHost(t, chance)
		before := map[string]string{}
		for _, volume := range []string{"db-data", "db-backup", "caddy-data", "caddy-config", "platform-data"} {
			before[volume] = state(t, server.Folder("tale_"+volume), false)
		}
		for range chance.IntN(6) {
			if killAt(t, server, dir, time.Duration(chance.Int64N(int64(longest)))) {
				killed++
			}
		}
		began := time.Now()
		command := process(t, server, dir)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("the last run: %v, %s", err, out)
		}
		longest = max(longest, time.Since(began))
		for volume, was := range before {
			if now := state(t, server.Folder("tale_"+volume), false); now != was {
				t.Errorf("tale_%s was changed:\n%s\nwas\n%s", volume, now, was)
			}
			app := strings.HasPrefix(volume, "caddy")
			if got, want := state(t, server.Folder("p_"+volume), false), state(t, server.Folder("tale_"+volume), app); got != want {
				t.Errorf("p_%s is no copy:\n%s\nwant\n%s", volume, got, want)
			}
		}
		if got, want := state(t, server.Folder("p_convex-data"), false), state(t, server.Folder("tale_platform-data"), true); got != want {
			t.Errorf("p_convex-data is no copy:\n%s\nwant\n%s", got, want)
		}
		if _, err := os.Stat(filepath.Join(dir, ".tale", "migrating.json")); err == nil || t.Failed() {
			t.Fatal("it is not done")
		}
		t.Logf("%d kills", killed)
	}
}

func process(t *testing.T, server *enginetest.Server, dir string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), "/proc/self/exe")
	command.Env = append(os.Environ(), testkit.RoleVariable+"=migrate", "MIGRATE_DIR="+dir, "MIGRATE_HOST="+server.Host())
	return command
}

// killAt reports whether the run still went on at that moment.
func killAt(t *testing.T, server *enginetest.Server, dir string, moment time.Duration) bool {
	t.Helper()
	command := process(t, server, dir)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(moment, func() { _ = command.Process.Kill() })
	err := command.Wait()
	timer.Stop()
	return err != nil
}
