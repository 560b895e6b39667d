package volume_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/volume"
	"github.com/tale-project/tale-runtime/internal/tale/volume/volumetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

var kills = flag.Int("kills", 20, "how often a copy is killed")

// pair returns two folders, the first with everything in it, and how that one is.
func pair(t *testing.T, files int) (from, to string, tree volumetest.Tree) {
	t.Helper()
	testkit.RequireRoot(t)
	dir := t.TempDir()
	from, to = filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := errors.Join(os.Mkdir(from, 0o751), os.Mkdir(to, 0o755)); err != nil {
		t.Fatal(err)
	}
	volumetest.Make(t, from, 1, files)
	return from, to, volumetest.Read(t, from)
}

var oldToNew = volume.Copy{From: "old", To: "new", Owner: volume.Keep}

func copyOf(t *testing.T, c volume.Copy, from, to string) volume.Report {
	t.Helper()
	return must[volume.Report](t)(c.Into(t.Context(), from, to))
}

func TestEverythingIsCopied(t *testing.T) {
	from, to, tree := pair(t, 300)
	for owner, id := range map[volume.Owner]int{volume.Keep: -1, volume.App: 1001} {
		c := oldToNew
		c.Owner = owner
		if err := errors.Join(os.RemoveAll(to), os.Mkdir(to, 0o700)); err != nil {
			t.Fatal(err)
		}
		// What the target hands down to everything in it must not stay.
		list := "\x02\x00\x00\x00" + "\x01\x00\x07\x00\xff\xff\xff\xff" + "\x04\x00\x05\x00\xff\xff\xff\xff" + "\x20\x00\x05\x00\xff\xff\xff\xff"
		if err := errors.Join(unix.Setxattr(to, "system.posix_acl_default", []byte(list), 0), os.Chown(to, 5, 6), unix.Chmod(to, 0o2777)); err != nil {
			t.Fatal(err)
		}
		report := copyOf(t, c.InBatchesOf(50), from, to)
		volumetest.Check(t, tree, to, id)
		if len(report.Sockets) != 1 || report.Sockets[0] != "odd/socket" || len(report.Special) != 4 {
			t.Errorf("%q %q", report.Sockets, report.Special)
		}
		if again := copyOf(t, c, from, to); !again.Already || again.Files != report.Files || again.Bytes != report.Bytes {
			t.Errorf("%+v and then %+v", report, again)
		}
	}
	tree.Unchanged(t, from)
}

func TestACopyOfACopyIsNoMoreThanThat(t *testing.T) {
	from, to, _ := pair(t, 20)
	third := filepath.Join(t.TempDir(), "third")
	if err := errors.Join(os.Mkdir(third, 0o755), os.WriteFile(filepath.Join(from, ".tale-migration-complete"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	copyOf(t, oldToNew, from, to)
	copyOf(t, volume.Copy{From: "new", To: "third", Owner: volume.Keep}, to, third)
	volumetest.Check(t, volumetest.Read(t, from), third, -1)
	for folder, want := range map[string]struct {
		name   string
		legacy bool
		from   string
	}{from: {"old", true, ""}, to: {"new", false, "old"}, third: {"third", false, "new"}} {
		state := must[volume.State](t)(volume.LookInto(t.Context(), folder, want.name))
		if state.Empty || state.Legacy != want.legacy || (state.Mark == nil) != (want.from == "") || state.Mark != nil && state.Mark.From != want.from {
			t.Errorf("%s: %+v %+v", want.name, state, state.Mark)
		}
	}
	// cp takes the mark along, which then says nothing.
	carried := filepath.Join(t.TempDir(), "carried")
	if err := os.RemoveAll(filepath.Join(to, "deep")); err != nil { // which is too deep for it
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", to, carried).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if state := must[volume.State](t)(volume.LookInto(t.Context(), carried, "carried")); state.Mark != nil || state.Empty {
		t.Errorf("%+v", state)
	}
}

// copier copies os.Args[1] to os.Args[2] in small batches, as a process.
func copier() int {
	_, err := oldToNew.InBatchesOf(15).Into(context.Background(), os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return exit.Code(err)
}

// killedCopy runs a copier and kills it at a random moment: when its journal has a random
// length, and a little later.
func killedCopy(t *testing.T, from, to string, records int) {
	t.Helper()
	command := exec.Command(os.Args[0], from, to)
	command.Env = append(os.Environ(), testkit.RoleVariable+"=copier")
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // it is killed
	}()
	const recordSize = 32
	long, later := rand.N(int64(records+15))*recordSize, rand.N(20*time.Millisecond)
	for {
		journals, _ := filepath.Glob(filepath.Join(to, ".tale-copy-"+strings.Repeat("?", 26)))
		if len(journals) > 0 {
			if info, err := os.Stat(journals[0]); err == nil && info.Size() >= long {
				break
			}
		}
		select {
		case <-ended:
			return
		case <-time.After(200 * time.Microsecond):
		}
	}
	select {
	case <-ended:
	case <-time.After(later):
	}
	_ = command.Process.Signal(syscall.SIGKILL)
	<-ended
}

// TestKilledCopiesGoOn kills copies at random moments. What has its own name by then is
// right, and in the end everything is.
func TestKilledCopiesGoOn(t *testing.T) {
	from, to, tree := pair(t, 80)
	finished, resumed := 0, 0
	for n := range *kills {
		if state := must[volume.State](t)(volume.LookInto(t.Context(), to, "new")); state.Mark != nil && !state.Mark.Finished.IsZero() {
			volumetest.Check(t, tree, to, -1)
			finished++
			if err := errors.Join(os.RemoveAll(to), os.Mkdir(to, 0o755)); err != nil {
				t.Fatal(err)
			}
		} else if state.Mark != nil {
			resumed++
		}
		killedCopy(t, from, to, len(tree))
		checkPart(t, tree, to)
		if t.Failed() {
			t.Fatalf("after the kill number %d", n+1)
		}
	}
	copyOf(t, oldToNew, from, to)
	volumetest.Check(t, tree, to, -1)
	tree.Unchanged(t, from)
	t.Logf("%d kills: %d were gone on with, %d had finished", *kills, resumed, finished)
}

// checkPart compares what there is of an unfinished copy.
func checkPart(t *testing.T, tree volumetest.Tree, to string) {
	t.Helper()
	part, here := volumetest.Read(t, to), volumetest.Tree{}
	for name, entry := range part {
		base := filepath.Base(name)
		switch {
		case strings.HasPrefix(base, ".tale-copy-") && !strings.HasPrefix(base, ".tale-copy-lookalike"):
			delete(part, name)
		case entry.Mode&unix.S_IFMT == unix.S_IFDIR: // is finished last
			delete(part, name)
		default:
			want := tree[name]
			want.Names, entry.Names = "", ""
			here[name], part[name] = want, entry
		}
	}
	for _, difference := range here.Differences(part, -1) {
		t.Error(difference)
	}
}
