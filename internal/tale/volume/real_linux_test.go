package volume_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/volume"
	"github.com/tale-project/tale-runtime/internal/tale/volume/volumetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// real connects to the machine's engine and makes a volume with everything in it. What
// bears the copy's names is removed at the end.
func real(t *testing.T) (e *engine.Engine, image, self string, c volume.Copy, tree volumetest.Tree) {
	t.Helper()
	image = testkit.EngineImage(t)
	self = testkit.BuildWithoutCgo(t, "../../../cmd/tale")
	e = must[*engine.Engine](t)(engine.Connect(t.Context(), engine.Options{Self: self}))
	name := fmt.Sprintf("volume%d", os.Getpid())
	c = volume.Copy{From: name + "_old", To: name + "_new", Owner: volume.App, Labels: map[string]string{"project": name}}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		helper := must[string](t)(e.ImportHelper(ctx))
		for _, each := range must[[]engine.Container](t)(e.Everything(ctx)) {
			if strings.HasPrefix(each.Name, name) || each.Image == helper {
				docker(t, "rm", "-f", each.ID)
			}
		}
		if err := errors.Join(e.RemoveVolume(ctx, c.From), e.RemoveVolume(ctx, c.To), e.RemoveImage(ctx, helper), e.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := e.CreateVolume(t.Context(), c.From, nil); err != nil {
		t.Fatal(err)
	}
	volumetest.Make(t, folderOf(t, e, c.From), 2, 1000)
	return e, image, self, c, volumetest.Read(t, folderOf(t, e, c.From))
}

func folderOf(t *testing.T, e *engine.Engine, name string) string {
	t.Helper()
	v, found, err := e.Volume(t.Context(), name)
	if err != nil || !found {
		t.Fatalf("%s: %t, %v", name, found, err)
	}
	return v.Mountpoint
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestRealCopy(t *testing.T) {
	e, image, _, c, tree := real(t)
	ctx := t.Context()
	from := folderOf(t, e, c.From)
	for how, mount := range map[string]string{"volume": c.From + ":/x", "folder": from + "/odd:/x", "target": c.To + ":/x"} {
		user := docker(t, "run", "-d", "--name", c.From+"-"+how, "--entrypoint", "sleep", "-v", mount, image, "1000")
		_, err := c.Run(ctx, e, nil)
		testkit.WantError(t, err, exit.Temporary, "docker stop "+c.From+"-"+how)
		docker(t, "rm", "-f", user)
	}
	docker(t, "run", "-d", "--name", c.From+"-reader", "--entrypoint", "sleep", "-v", c.From+":/x:ro", image, "1000")
	var phases []string
	report := must[volume.Report](t)(c.Run(ctx, e, func(p volume.Progress) { phases = append(phases, p.Phase) }))
	volumetest.Check(t, tree, folderOf(t, e, c.To), 1001)
	tree.Unchanged(t, from)
	state := must[volume.State](t)(volume.Look(ctx, e, c.To))
	if state.Mark == nil || state.Mark.Finished.IsZero() || state.Mark.Bytes != report.Bytes || state.Files != report.Files || len(report.Sockets) != 1 {
		t.Errorf("%+v %+v %+v", report, state, state.Mark)
	}
	t.Logf("%d files, %d bytes in %s, %q", report.Files, report.Bytes, report.Took, phases)
}

var realKills = flag.Int("real-kills", 5, "how often tale or its helper is killed")

// taler copies by the engine, as a process: SELF FROM TO.
func taler() int {
	e, err := engine.Connect(context.Background(), engine.Options{Self: os.Args[1]})
	if err == nil {
		_, err = volume.Copy{From: os.Args[2], To: os.Args[3], Owner: volume.App}.Run(context.Background(), e, nil)
	}
	if err != nil {
		fmt.Println(err)
	}
	return exit.Code(err)
}

// TestRealKills kills tale and its helper, in turn.
func TestRealKills(t *testing.T) {
	e, _, self, c, tree := real(t)
	must[string](t)(e.ImportHelper(t.Context()))
	began, gone := time.Now(), 0
	for n := range *realKills {
		command := exec.Command(os.Args[0], self, c.From, c.To)
		command.Env = append(os.Environ(), testkit.RoleVariable+"=taler")
		process := testkit.Start(t, command)
		helper := ""
		process.Until("its helper runs", func() bool {
			helper = docker(t, "ps", "-q", "--filter", "label="+volume.LabelCopy+"="+c.To)
			select {
			case <-process.Ended():
				return true
			default:
				return helper != ""
			}
		})
		time.Sleep(rand.N(3 * time.Second))
		if n%2 == 0 {
			_ = command.Process.Kill()
		} else {
			_ = exec.Command("docker", "kill", helper).Run() // it may have ended
		}
		process.Wait()
		state := must[volume.State](t)(volume.Look(t.Context(), e, c.To))
		if state.Mark != nil && !state.Mark.Finished.IsZero() {
			volumetest.Check(t, tree, folderOf(t, e, c.To), 1001)
			testkit.Eventually(t, "the helper of the killed tale has removed itself", func() bool {
				return docker(t, "ps", "-aq", "--filter", "label="+volume.LabelCopy+"="+c.To) == ""
			})
			if err := e.RemoveVolume(t.Context(), c.To); err != nil {
				t.Fatal(err)
			}
			gone++
		}
	}
	must[volume.Report](t)(c.Run(t.Context(), e, nil))
	volumetest.Check(t, tree, folderOf(t, e, c.To), 1001)
	tree.Unchanged(t, folderOf(t, e, c.From))
	t.Logf("%d kills in %s, %d copies had finished", *realKills, time.Since(began), gone)
}
