package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestLockIsHeldOnceAndReleased(t *testing.T) {
	server, e := fake(t)
	ctx := t.Context()
	held := must[*engine.Hold](t)(e.HoldLock(ctx, "shop", map[string]string{"who": "me@here"}))
	_, err := e.HoldLock(ctx, "shop", nil)
	holder, ok := errors.AsType[*engine.HeldError](err)
	if !ok || exit.Code(err) != exit.Temporary || holder.Labels["who"] != "me@here" || holder.Since.IsZero() || holder.Container != "shop-tale-lock" {
		t.Fatalf("%+v, %v", holder, err)
	}
	must[*engine.Hold](t)(e.HoldLock(ctx, "other", nil)).Release()
	held.Release()
	must[*engine.Hold](t)(e.HoldLock(ctx, "shop", nil)).Release()
	if left := must[[]engine.Container](t)(e.Everything(ctx)); len(left) != 0 {
		t.Errorf("%+v", left)
	}
	if n := count(server.Calls(), "POST /images/create"); n != 1 {
		t.Errorf("the helper was imported %d times", n)
	}
}

func count(calls []string, call string) (n int) {
	for _, c := range calls {
		if c == call {
			n++
		}
	}
	return n
}

func TestExactlyOneOfManyHoldsTheLock(t *testing.T) {
	server, e := fake(t)
	image := must[string](t)(e.ImportHelper(t.Context()))
	results := make(chan error)
	for range 20 {
		go func() {
			_, err := e.HoldLock(t.Context(), "shop", nil)
			results <- err
		}()
	}
	holders := 0
	for range 20 {
		err := <-results
		if _, refused := errors.AsType[*engine.HeldError](err); err == nil {
			holders++
		} else if !refused {
			t.Error(err)
		}
	}
	if holders != 1 {
		t.Errorf("%d hold the lock (%s, %s)", holders, image, server.Host())
	}
}

func TestLeftOverLockIsRemoved(t *testing.T) {
	for name, running := range map[string]bool{"created": false, "ended": true} {
		t.Run(name, func(t *testing.T) {
			server, e := fake(t)
			server.AddContainer(enginetest.Container{Name: "shop-tale-lock", Image: "tale-helper:old", Running: running})
			server.Die("shop-tale-lock", 1, false)
			must[*engine.Hold](t)(e.HoldLock(t.Context(), "shop", nil)).Release()
		})
	}
}

// A container of somebody else's that has the name of a lock stays.
func TestAForeignContainerIsNoLock(t *testing.T) {
	for name, running := range map[string]bool{"runs": true, "has ended": false} {
		server, e := fake(t)
		id := server.AddContainer(enginetest.Container{Name: "shop-tale-lock", Image: "acme/lock:1", Running: true})
		if !running {
			server.Die("shop-tale-lock", 1, false)
		}
		_, err := e.HoldLock(t.Context(), "shop", nil)
		testkit.WantError(t, err, exit.Config, "shop-tale-lock is there and not one of tale's", "acme/lock:1")
		if c, err := e.Inspect(t.Context(), "shop-tale-lock"); err != nil || c.ID != id || c.State.Running != running {
			t.Errorf("one that %s: %+v, %v", name, c, err)
		}
	}
}

func TestEndpointOfALockThatIsGone(t *testing.T) {
	server, e := fake(t)
	server.AddNetwork("none", nil)
	server.Fault("POST", "/containers/*/start", enginetest.Fault{Status: 500, Message: "endpoint with name shop-tale-lock already exists in network none"}, 1)
	must[*engine.Hold](t)(e.HoldLock(t.Context(), "shop", nil)).Release()
	if !slices.Contains(server.Calls(), "POST /networks/none/disconnect") {
		t.Errorf("the engine was not told to forget it: %v", server.Calls())
	}
}

func TestLostLockIsNoticed(t *testing.T) {
	server, e := fake(t)
	held := must[*engine.Hold](t)(e.HoldLock(t.Context(), "shop", nil))
	select {
	case <-held.Done():
		t.Fatal("lost at once")
	default:
	}
	server.Die("shop-tale-lock", 69, false)
	<-held.Done()
}

func TestLockSaysWhatIsNotDocker(t *testing.T) {
	server, e := fake(t)
	server.Product, server.Info.ServerVersion = "Podman Engine", "4.3.1"
	server.Fault("POST", "/containers/*/attach", enginetest.Fault{Status: http.StatusConflict}, 1)
	_, err := e.HoldLock(t.Context(), "shop", nil)
	if err == nil || !strings.Contains(err.Error(), "the engine is Podman Engine 4.3.1, and tale needs Docker's own") {
		t.Errorf("%v", err)
	}
}

// TestLockEndsWithTheConnection cuts a way over TCP.
func TestLockEndsWithTheConnection(t *testing.T) {
	server, e := fake(t)
	far := newProxy(t, strings.TrimPrefix(server.Host(), "unix://"))
	remote := connect(t, engine.Options{Host: "tcp://" + far.Addr().String(), Environ: environ(t), Self: write(t, filepath.Join(t.TempDir(), "tale"), "binary")})
	held := must[*engine.Hold](t)(remote.HoldLock(t.Context(), "shop", nil))
	far.Cut()
	<-held.Done()
	testkit.Eventually(t, "another takes it", func() bool {
		again, err := e.HoldLock(t.Context(), "shop", nil)
		if err == nil {
			again.Release()
		}
		return err == nil
	})
}

func TestInterruptedLockLeavesNothing(t *testing.T) {
	server, e := fake(t)
	must[string](t)(e.ImportHelper(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	server.Fault("POST", "/containers/*/start", enginetest.Fault{Hang: true}, 1)
	ended := make(chan error, 1)
	go func() {
		_, err := e.HoldLock(ctx, "shop", nil)
		ended <- err
	}()
	testkit.Eventually(t, "it is about to start", func() bool {
		return slices.ContainsFunc(server.Calls(), func(call string) bool { return strings.HasSuffix(call, "/start") })
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left := must[[]engine.Container](t)(e.Everything(t.Context())); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

func TestHelperOfAnotherPlatform(t *testing.T) {
	server := enginetest.New(t)
	server.Info.Architecture = "riscv64"
	e := connect(t, engine.Options{Host: server.Host(), Environ: environ(t)})
	_, err := e.HoldLock(t.Context(), "shop", nil)
	testkit.WantError(t, err, exit.Config, "linux/riscv64", "run tale on that host")
}

func TestOldHelpersOfOtherVersionsAreRemoved(t *testing.T) {
	server, e := fake(t)
	ctx := t.Context()
	for tag, age := range map[string]time.Duration{"tale-helper:old": 2 * time.Hour, "tale-helper:used": 2 * time.Hour, "tale-helper:young": time.Minute, "tale-helpers:1": 2 * time.Hour, "x:1": 2 * time.Hour} {
		server.AddImage(enginetest.Image{Tags: []string{tag}, Created: time.Now().Add(-age)})
	}
	server.AddContainer(enginetest.Container{Name: "running", Image: "tale-helper:used", Running: true})
	current := must[string](t)(e.ImportHelper(ctx))
	var tags []string
	for _, i := range must[[]engine.Image](t)(e.Images(ctx)) {
		tags = append(tags, i.Tags...)
	}
	slices.Sort(tags)
	if want := fmt.Sprint([]string{current, "tale-helper:used", "tale-helper:young", "tale-helpers:1", "x:1"}); fmt.Sprint(tags) != want {
		t.Errorf("%v instead of %v", tags, want)
	}
}

func TestDiskFree(t *testing.T) {
	server, e := fake(t)
	free, total, err := e.DiskFree(t.Context())
	if free <= 0 || total <= free || total == 100000000000 || err != nil {
		t.Errorf("here: %d of %d, %v", free, total, err)
	}
	if changes := server.Changes(); len(changes) != 0 {
		t.Errorf("a helper is not needed here: %v", changes)
	}
	elsewhere, e := fake(t, func(s *enginetest.Server) { s.Info.Name, s.Logging = "elsewhere", "none" })
	free, total, err = e.DiskFree(t.Context())
	if free != 50000000000 || total != 100000000000 || err != nil {
		t.Errorf("elsewhere: %d of %d, %v", free, total, err)
	}
	if left := must[[]engine.Container](t)(e.Everything(t.Context())); len(left) != 0 {
		t.Errorf("%+v", left)
	}
	elsewhere.Disk = "!no such folder"
	if _, _, err = e.DiskFree(t.Context()); err == nil {
		t.Error("no error, though the helper said nothing")
	}
}

func TestHelperCommand(t *testing.T) {
	var out bytes.Buffer
	if err := engine.Helper([]string{"free", t.TempDir()}, nil, &out); err != nil {
		t.Fatal(err)
	}
	var free, total int64
	if _, err := fmt.Sscan(out.String(), &free, &total); err != nil || free <= 0 || total < free {
		t.Errorf("%q", out.String())
	}
	if err := engine.Helper([]string{"free", "/none"}, nil, &out); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	out.Reset()
	if err := engine.Helper([]string{"hold"}, io.LimitReader(strings.NewReader("\n\n\n"), 3), &out); err != nil || out.String() != "held\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	testkit.WantError(t, engine.Helper([]string{"rm", "-rf"}, nil, &out), exit.Usage, "hold")
}
