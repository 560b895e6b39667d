package engine_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) {
	os.Exit(enginetest.Main(m, map[string]func() int{"dial": dial, "stranger": stranger, "holder": holder, "upper": upper}))
}

// dial stands in for `ssh … docker system dial-stdio`.
func dial() int {
	conn, err := net.Dial("unix", os.Args[2])
	if err != nil {
		return 1
	}
	go func() { _, _ = io.Copy(conn, os.Stdin); _ = conn.(*net.UnixConn).CloseWrite() }()
	_, _ = io.Copy(os.Stdout, conn)
	return 0
}

// fake starts an engine in memory and connects to it.
func fake(t *testing.T, change ...func(*enginetest.Server)) (*enginetest.Server, *engine.Engine) {
	t.Helper()
	server := enginetest.New(t)
	for _, c := range change {
		c(server)
	}
	return server, connect(t, engine.Options{Host: server.Host(), Docker: server.Docker(t), Self: write(t, filepath.Join(t.TempDir(), "tale"), "binary"), Environ: environ(t)})
}

func environ(t *testing.T) config.Environ {
	return config.Environ{"HOME": t.TempDir(), "PATH": os.Getenv("PATH")}
}

func connect(t *testing.T, options engine.Options) *engine.Engine {
	t.Helper()
	e, err := engine.Connect(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// calls returns the methods that ask one question each, for what is true of all of them.
func calls(e *engine.Engine) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Info":          func(ctx context.Context) error { _, err := e.Info(ctx); return err },
		"Containers":    func(ctx context.Context) error { _, err := e.Containers(ctx, "shop"); return err },
		"Everything":    func(ctx context.Context) error { _, err := e.Everything(ctx); return err },
		"Inspect":       func(ctx context.Context) error { _, err := e.Inspect(ctx, "web"); return err },
		"Memory":        func(ctx context.Context) error { _, _, err := e.Memory(ctx, "web"); return err },
		"Start":         func(ctx context.Context) error { return e.Start(ctx, "web") },
		"Stop":          func(ctx context.Context) error { return e.Stop(ctx, "web", 0) },
		"Remove":        func(ctx context.Context) error { return e.Remove(ctx, "web") },
		"Disconnect":    func(ctx context.Context) error { return e.Disconnect(ctx, "net", "web") },
		"Join":          func(ctx context.Context) error { return e.Join(ctx, "net", "web", "alias") },
		"Volumes":       func(ctx context.Context) error { _, err := e.Volumes(ctx); return err },
		"CreateVolume":  func(ctx context.Context) error { return e.CreateVolume(ctx, "v", nil) },
		"RemoveVolume":  func(ctx context.Context) error { return e.RemoveVolume(ctx, "v") },
		"Networks":      func(ctx context.Context) error { _, err := e.Networks(ctx); return err },
		"Network":       func(ctx context.Context) error { _, _, err := e.Network(ctx, "net"); return err },
		"CreateNetwork": func(ctx context.Context) error { return e.CreateNetwork(ctx, "other", nil) },
		"RemoveNetwork": func(ctx context.Context) error { return e.RemoveNetwork(ctx, "net") },
		"Images":        func(ctx context.Context) error { _, err := e.Images(ctx); return err },
		"Image":         func(ctx context.Context) error { _, _, err := e.Image(ctx, "shop:1"); return err },
		"Remote":        func(ctx context.Context) error { _, err := e.Remote(ctx, "r.example/shop:1"); return err },
		"RemoveImage":   func(ctx context.Context) error { return e.RemoveImage(ctx, "shop:1") },
		"Pull":          func(ctx context.Context) error { return e.Pull(ctx, "r.example/shop:1", nil) },
		"ReadFile":      func(ctx context.Context) error { _, err := e.ReadFile(ctx, "web", "/f"); return err },
		"Exec":          func(ctx context.Context) error { _, _, _, err := e.Exec(ctx, "web", []string{"x"}, nil); return err },
		"ImportHelper":  func(ctx context.Context) error { _, err := e.ImportHelper(ctx); return err },
		"DiskFree": func(ctx context.Context) error {
			_, _, err := e.DiskFree(ctx)
			return err
		},
		"HoldLock": func(ctx context.Context) error { _, err := e.HoldLock(ctx, "shop", nil); return err },
		"Logs": func(ctx context.Context) error {
			for _, err := range e.Logs(ctx, "web", engine.LogOptions{}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// TestEveryCallFailsInOneVoice: whatever the call, an interrupt is passed on as such, an
// engine that is gone is exit code 69 and names its address, and words of the engine
// are kept.
func TestEveryCallFailsInOneVoice(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "web", Image: "shop:1", Project: "shop", Service: "platform", Networks: map[string][]string{"net": nil}, Running: true})
	for name, call := range calls(e) {
		t.Run(name, func(t *testing.T) {
			server.Fault("", "*", enginetest.Fault{Hang: true}, 1)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := call(ctx); err == nil || !strings.Contains(err.Error(), "context canceled") {
				t.Errorf("after an interrupt: %v", err)
			}
		})
	}
}

func TestEngineThatBreaksOffIsUnavailable(t *testing.T) {
	server, e := fake(t)
	server.Fault("", "*", enginetest.Fault{Drop: true}, -1)
	for name, call := range calls(e) {
		if name == "Pull" {
			continue // tries again
		}
		t.Run(name, func(t *testing.T) {
			testkit.WantError(t, call(t.Context()), exit.Unavailable, "cannot ", server.Host(), "is it running?")
		})
	}
}

func TestEngineThatRefusesIsQuoted(t *testing.T) {
	server, e := fake(t)
	server.Fault("", "*", enginetest.Fault{Status: 500, Message: "devmapper: the reason"}, -1)
	for name, call := range calls(e) {
		t.Run(name, func(t *testing.T) {
			err := call(t.Context())
			if err == nil || !strings.Contains(err.Error(), "devmapper: the reason") || strings.Contains(err.Error(), "Error response from daemon") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestBreaksOfTheEnginesOwnConnections are not ours to it.
func TestBreaksOfTheEnginesOwnConnections(t *testing.T) {
	server, e := fake(t)
	for _, words := range []string{"read tcp 10.0.0.1:443: connection reset by peer", "unexpected EOF", "write: broken pipe"} {
		server.Fault("", "*", enginetest.Fault{Status: 500, Message: words}, 2)
		if err := e.Start(t.Context(), "web"); exit.Code(err) != exit.Failure || !strings.Contains(err.Error(), words) {
			t.Error(err)
		}
		_, err := e.Remote(t.Context(), "r.example/shop:1")
		testkit.WantError(t, err, exit.Unavailable, words, "can its host reach r.example")
	}
}

func TestEngineThatTalksNonsenseIsAnError(t *testing.T) {
	server, e := fake(t)
	server.Fault("", "*", enginetest.Fault{Garbled: true}, -1)
	for name, call := range calls(e) {
		switch name {
		case "Start", "Stop", "Remove", "Disconnect", "Join", "RemoveVolume", "RemoveNetwork", "Exec", "ReadFile", "Pull":
			continue // read no JSON, or not first
		}
		t.Run(name, func(t *testing.T) {
			if err := call(t.Context()); err == nil {
				t.Error("no error")
			}
		})
	}
}
