package demo

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// testDemo is a demo of fake services.
type testDemo struct {
	t       *testing.T
	options options
	own     config.Environ
	out     testkit.Buffer
}

func newTestDemo(t *testing.T) *testDemo {
	app := newTestApp(t)
	o := app.options
	o.Dir = filepath.Join(t.TempDir(), "data")
	linkFakes(t, o.Bin, slices.DeleteFunc(slices.Clone(binaries), func(name string) bool { return name == "platform-entrypoint" })...)
	return &testDemo{t: t, options: o, own: app.own}
}

// start runs the demo and returns where its end is told.
func (d *testDemo) start(ctx context.Context) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- runDemo(ctx, &d.out, d.options, d.own) }()
	return ended
}

// await waits until the demo has printed a text.
func (d *testDemo) await(text string, ended <-chan error) {
	d.t.Helper()
	testkit.Eventually(d.t, text, func() bool {
		select {
		case err := <-ended:
			d.t.Fatalf("ended before %q: %v\n%s", text, err, d.out.String())
		default:
		}
		return strings.Contains(d.out.String(), text)
	})
}

func (d *testDemo) stops() string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.options.Dir, "stops"))
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

func TestRunUntilStopped(t *testing.T) {
	d := newTestDemo(t)
	ctx, stop := context.WithCancelCause(t.Context())
	ended := d.start(ctx)
	d.await("Ctrl-C", ended)
	stop(&supervise.StopRequested{})
	if err := <-ended; err != nil {
		t.Errorf("a requested stop is an error: %v", err)
	}
	if got := d.stops(); got != "platform proxy convex" {
		t.Errorf("stopped in the order %s", got)
	}
	out := d.out.String()
	for _, want := range []string{
		"app       packages", "convex    backend         0.012s", "platform  deploy          0.034s  deployed", "proxy     ready",
		"24 of 24: 24 new, 0 updated, 0 unchanged, 0 removed", "9 deployed, native driver, 3 of 3 modules sent", "https://localhost:", "root.crt", "Stopped in",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestOnce(t *testing.T) {
	d := newTestDemo(t)
	d.options.Once = true
	if err := <-d.start(t.Context()); err != nil {
		t.Errorf("%v\n%s", err, d.out.String())
	}
	if out := d.out.String(); strings.Count(out, "\n  ok ") != 10 || strings.Contains(out, "FAIL") {
		t.Errorf("checks:\n%s", out)
	}
	if got := d.stops(); got != "platform proxy convex" {
		t.Errorf("stopped in the order %s", got)
	}
}

// The example's functions are called.
func TestOnceSignsTheGuestbook(t *testing.T) {
	for fault, failed := range map[string][]string{
		"":             nil,
		"sign refused": {"signed and seen live", "search finds it", "a restart keeps entries"},
		"no functions": {"signed and seen live", "search finds it", "a restart keeps entries"},
	} {
		t.Run(cmp.Or(fault, "none"), func(t *testing.T) {
			d := newTestDemo(t)
			d.options.Once = true
			for _, name := range []string{"entries.ts", "http.ts"} {
				put(t, filepath.Join(d.options.App, "convex", name), "")
			}
			put(t, filepath.Join(d.options.Dir, "fault"), fault)
			err := <-d.start(t.Context())
			out := d.out.String()
			if (err != nil) != (fault != "") || !strings.Contains(out, "migrations:runAll, 7 ms") {
				t.Errorf("%v\n%s", err, out)
			}
			for _, name := range failed {
				if !strings.Contains(out, "FAIL  functions: "+name) {
					t.Errorf("%s did not fail:\n%s", name, out)
				}
			}
			// The restart of convex is one of its stops.
			want := "platform proxy convex"
			if fault == "" {
				want = "convex " + want
			}
			if got := d.stops(); got != want {
				t.Errorf("stopped in the order %s", got)
			}
		})
	}
}

// TestOnceOfAnotherApp asks for no HTTP action of the example's.
func TestOnceOfAnotherApp(t *testing.T) {
	d := newTestDemo(t)
	d.options.Once = true
	put(t, filepath.Join(d.options.App, "convex", "http.ts"), "")
	if err := <-d.start(t.Context()); err != nil || !strings.Contains(d.out.String(), "the backend answers on /http_api") {
		t.Errorf("%v\n%s", err, d.out.String())
	}
}

func TestOnceWithoutFunctionsFails(t *testing.T) {
	d := newTestDemo(t)
	d.options.Once = true
	for _, name := range []string{"entries.ts", "http.ts"} {
		put(t, filepath.Join(d.options.App, "convex", name), "")
	}
	put(t, filepath.Join(functionRunner(d.options.App), ".fails"), runs)
	if err := <-d.start(t.Context()); exit.Code(err) != exit.Failure || !strings.Contains(d.out.String(), "FAIL  functions run") {
		t.Errorf("%v\n%s", err, d.out.String())
	}
}

func TestOnceFails(t *testing.T) {
	for fault, check := range map[string]string{"upstream away": "proxy health", "changing modules": "second push changes nothing"} {
		t.Run(fault, func(t *testing.T) {
			d := newTestDemo(t)
			d.options.Once = true
			put(t, filepath.Join(d.options.Dir, "fault"), fault)
			if err := <-d.start(t.Context()); exit.Code(err) != exit.Failure {
				t.Errorf("exit %d: %v", exit.Code(err), err)
			}
			if out := d.out.String(); strings.Count(out, "\n  ok ") != 9 || !strings.Contains(out, "FAIL  "+check) {
				t.Errorf("checks:\n%s", out)
			}
		})
	}
}

func TestAServiceThatDiesIsNamed(t *testing.T) {
	for _, name := range []string{convexName, platformName, proxyName} {
		t.Run(name, func(t *testing.T) {
			d := newTestDemo(t)
			ended := d.start(t.Context())
			d.await("Ctrl-C", ended)
			put(t, filepath.Join(d.options.Dir, "kill-"+name), "")
			err := <-ended
			if exit.Code(err) != 42 || strings.Count(err.Error(), name+" ended by itself: exit code 42") != 1 || !strings.Contains(err.Error(), name+" met its fate") {
				t.Errorf("exit %d: %v", exit.Code(err), err)
			}
			if got := strings.Fields(d.stops()); len(got) != 2 {
				t.Errorf("the others were not stopped: %v", got)
			}
		})
	}
}

func TestAServiceThatDiesDuringTheBoot(t *testing.T) {
	d := newTestDemo(t)
	put(t, filepath.Join(d.options.Dir, "stillborn-"+platformName), "")
	err := <-d.start(t.Context())
	if exit.Code(err) != 78 || !strings.Contains(err.Error(), "platform ended by itself: exit code 78") || !strings.Contains(err.Error(), "platform has bad settings") {
		t.Errorf("exit %d: %v", exit.Code(err), err)
	}
	if strings.Contains(err.Error(), "cleanly") {
		t.Errorf("what was just starting was not stopped in peace: %v", err)
	}
}

func TestAStopBeforeTheChecksIsNoSuccess(t *testing.T) {
	d := newTestDemo(t)
	d.options.Once = true
	ctx, stop := context.WithCancelCause(t.Context())
	stop(&supervise.StopRequested{})
	if err := <-d.start(ctx); exit.Code(err) != exit.Failure {
		t.Errorf("exit %d: %v", exit.Code(err), err)
	}
}

func TestADirtyStopIsReported(t *testing.T) {
	d := newTestDemo(t)
	ctx, stop := context.WithCancelCause(t.Context())
	put(t, filepath.Join(d.options.Dir, "dirty-"+proxyName), "")
	ended := d.start(ctx)
	d.await("Ctrl-C", ended)
	stop(&supervise.StopRequested{})
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "proxy did not stop cleanly: exit code 3") {
		t.Errorf("got %v", err)
	}
	if got := d.stops(); got != "platform proxy convex" {
		t.Errorf("stopped in the order %s", got)
	}
}

func TestThrowAwayFolder(t *testing.T) {
	for name, tt := range map[string]struct {
		keep, dies, kept bool
	}{"removed": {false, false, false}, "kept on request": {true, false, true}, "kept for its logs": {false, true, true}} {
		t.Run(name, func(t *testing.T) {
			d := newTestDemo(t)
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			d.options.Dir, d.options.Keep = "", tt.keep
			ctx, stop := context.WithCancelCause(t.Context())
			ended := d.start(ctx)
			d.await("Ctrl-C", ended)
			made, err := filepath.Glob(filepath.Join(temp, "tale-demo-*"))
			if err != nil || len(made) != 1 {
				t.Fatalf("folders %v, %v", made, err)
			}
			if tt.dies {
				put(t, filepath.Join(made[0], "kill-"+proxyName), "")
			} else {
				stop(&supervise.StopRequested{})
			}
			if err := <-ended; (err != nil) != tt.dies {
				t.Errorf("ended with %v", err)
			}
			if _, err := os.Stat(made[0]); (err == nil) != tt.kept {
				t.Errorf("kept: %v", err == nil)
			}
			stop(nil)
		})
	}
}
