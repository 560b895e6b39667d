package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// next returns the next event of an action.
func next(t *testing.T, events <-chan engine.Event, actions ...string) engine.Event {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case event, open := <-events:
			if !open {
				t.Fatalf("the events ended before %q", actions)
			}
			if slices.Contains(actions, event.Action) {
				return event
			}
		case <-deadline:
			t.Fatalf("no event %q", actions)
		}
	}
}

func TestEventsOfProjectsAlone(t *testing.T) {
	server, e := fake(t)
	for _, project := range []string{"shop", "shop-blue", "else"} {
		server.AddContainer(enginetest.Container{Name: project + "-db", Image: "x:1", Project: project, Service: "db", HealthCheck: true})
	}
	events, errs := e.Events(t.Context(), time.Time{}, "shop", "shop-blue")
	for _, name := range []string{"else-db", "shop-db", "shop-blue-db"} {
		if err := e.Start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if first := <-events; first.Name != "shop-db" || first.Action != "start" || time.Since(first.Time) > time.Minute || first.Container == "" {
		t.Errorf("%+v", first)
	}
	next(t, events, "health_status: healthy")
	server.Die("shop-blue-db", 78, true)
	if event := next(t, events, "oom"); event.Name != "shop-blue-db" {
		t.Errorf("%+v", event)
	}
	if event := next(t, events, "die"); event.ExitCode != 78 {
		t.Errorf("%+v", event)
	}
	if err := e.Stop(t.Context(), "shop-db", time.Second); err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(t.Context(), "shop-db"); err != nil {
		t.Fatal(err)
	}
	next(t, events, "stop")
	next(t, events, "destroy")
	select {
	case err := <-errs:
		t.Error(err)
	default:
	}
}

// TestNoEventIsLostBeforeTheList: what happens after Events has returned is seen.
func TestNoEventIsLostBeforeTheList(t *testing.T) {
	server, e := fake(t)
	id := server.AddContainer(enginetest.Container{Name: "db", Image: "x:1", Project: "shop", Service: "db"})
	server.Fault("GET", "/events", enginetest.Fault{Slow: 50 * time.Millisecond}, 1)
	events, _ := e.Events(t.Context(), time.Time{}, "shop")
	if err := e.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	next(t, events, "start")
	again, _ := e.Events(t.Context(), time.Now().Add(-time.Hour), "shop")
	next(t, again, "start")
	none, _ := e.Events(t.Context(), time.Now(), "shop")
	server.Die("db", 3, false)
	if first := <-none; first.Action != "die" {
		t.Errorf("%+v is before since", first)
	}
}

func TestEventsEndWithAnError(t *testing.T) {
	for name, fault := range map[string]enginetest.Fault{
		"cut": {Cut: 20}, "dropped": {Drop: true}, "garbled": {Garbled: true},
	} {
		t.Run(name, func(t *testing.T) {
			server, e := fake(t)
			server.AddContainer(enginetest.Container{Name: "db", Image: "x:1", Project: "shop", Service: "db", Running: true})
			server.Fault("GET", "/events", fault, -1) // one would be tried again unseen
			events, errs := e.Events(t.Context(), time.Now().Add(-time.Hour), "shop")
			if _, open := <-events; open {
				t.Error("an event came through")
			}
			testkit.WantError(t, <-errs, exit.Unavailable, "cannot follow the events", "is it running?")
			if err, open := <-errs; open {
				t.Errorf("a second error: %v", err)
			}
		})
	}
	_, e := fake(t)
	ctx, cancel := context.WithCancel(t.Context())
	events, errs := e.Events(ctx, time.Time{}, "shop")
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, open := <-events; open {
		t.Error("the channel stays open")
	}
}

func read(t *testing.T, e *engine.Engine, options engine.LogOptions) (lines []string) {
	t.Helper()
	for line, err := range e.Logs(t.Context(), "web", options) {
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(line.Time) > time.Minute {
			t.Errorf("%+v", line)
		}
		mark := ""
		if line.Stderr {
			mark = "!"
		}
		lines = append(lines, mark+line.Text)
	}
	return lines
}

func TestLogs(t *testing.T) {
	server, e := fake(t)
	long := strings.Repeat("long ", 8000)
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Running: true, Life: enginetest.Life{Log: []string{"one", "!two", long, "", "four"}}})
	check := func(what string, options engine.LogOptions, want ...string) {
		t.Helper()
		if got := read(t, e, options); fmt.Sprintf("%.60q", got) != fmt.Sprintf("%.60q", want) {
			t.Errorf("%s: %.60q", what, got)
		}
	}
	check("all", engine.LogOptions{}, "one", "!two", long, "", "four")
	check("tail", engine.LogOptions{Tail: 2}, "", "four")
	check("none", engine.LogOptions{Tail: -1})
	since := time.Now()
	server.Log("web", "five")
	check("since", engine.LogOptions{Since: since}, "five")
	_, err := firstError(e.Logs(t.Context(), "none", engine.LogOptions{}))
	if !engine.IsNotFound(err) {
		t.Error(err)
	}
}

func firstError(lines func(func(engine.Line, error) bool)) (n int, err error) {
	for _, e := range lines {
		if e != nil {
			return n, e
		}
		n++
	}
	return n, nil
}

func TestLogIsFollowedToTheEndOfTheContainer(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Running: true, Life: enginetest.Life{Log: []string{"first"}}})
	var lines []string
	for line, err := range e.Logs(t.Context(), "web", engine.LogOptions{Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line.Text)
		switch len(lines) {
		case 1:
			server.Log("web", "second")
		case 2:
			server.Log("web", "third")
			server.Die("web", 0, false)
		}
	}
	if fmt.Sprint(lines) != "[first second third]" {
		t.Errorf("%v", lines)
	}
}

func TestLogThatIsCutIsAnError(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Running: true, Life: enginetest.Life{Log: []string{"one", "two"}}})
	server.Fault("GET", "/containers/web/logs", enginetest.Fault{Cut: 60}, 1)
	n, err := firstError(e.Logs(t.Context(), "web", engine.LogOptions{Follow: true}))
	testkit.WantError(t, err, exit.Unavailable, "cannot read the log of web")
	if n != 1 {
		t.Errorf("%d lines before the cut", n)
	}
	for range e.Logs(t.Context(), "web", engine.LogOptions{Follow: true}) {
		break // and the caller may leave
	}
}

func TestExec(t *testing.T) {
	server, e := fake(t)
	ctx := t.Context()
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Running: true})
	server.SetExec(func(container string, command []string, stdin string) (string, string, int) {
		return container + fmt.Sprint(command) + stdin, strings.Repeat("e", 2<<20), 3
	})
	stdout, stderr, code, err := e.Exec(ctx, "web", []string{"cat", "-"}, strings.NewReader("input"))
	if stdout != "web[cat -]input" || len(stderr) != 1<<20 || code != 3 || err != nil {
		t.Errorf("%q, %d bytes, %d, %v", stdout, len(stderr), code, err)
	}
	if stdout, _, _, err := e.Exec(ctx, "web", []string{"true"}, nil); stdout != "web[true]" || err != nil {
		t.Errorf("%q %v", stdout, err)
	}
	server.Die("web", 1, false)
	if _, _, _, err := e.Exec(ctx, "web", []string{"true"}, nil); !engine.IsConflict(err) || !strings.Contains(err.Error(), "is not running") {
		t.Errorf("in a container that does not run: %v", err)
	}
}

// An engine says of a container that is just ending that it cannot run the command: that is
// not the image's word. It is where no folder of PATH has the command, which is asked for once.
func TestACommandInAContainerThatEnds(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Running: true})
	const absent = `OCI runtime exec failed: exec failed: unable to start container process: exec: "true": executable file not found in $PATH: unknown`
	for _, tt := range []struct {
		says  string
		codes []int
		want  int
	}{
		{"", []int{126, 0}, 0},
		{"", []int{126, 3}, 3},
		{"", []int{127, 127}, exit.NotFound},
		{`exec: "true": stat /usr/bin/true: no such file or directory`, []int{126, 126}, exit.NotFound},
		{absent, []int{126}, exit.NotFound},
		{absent, []int{127}, exit.NotFound},
	} {
		codes := tt.codes
		server.SetExec(func(string, []string, string) (stdout, stderr string, code int) {
			if len(codes) == 0 {
				t.Errorf("%+v: asked again", tt)
				return "", "", 0
			}
			code, codes = codes[0], codes[1:]
			return tt.says, "", code
		})
		_, _, code, err := e.Exec(t.Context(), "web", []string{"true"}, nil)
		if code != tt.want || err != nil || len(codes) > 0 {
			t.Errorf("%+v: %d, %v, %d answers left", tt, code, err, len(codes))
		}
	}
}

func TestExecEndsWithTheContext(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Running: true})
	begun, release := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(release) })
	server.SetExec(func(string, []string, string) (string, string, int) {
		close(begun)
		<-release
		return "", "", 0
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, _, _, err := e.Exec(ctx, "web", []string{"sleep"}, nil)
		ended <- err
	}()
	<-begun
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestReadFile(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1"})
	content := strings.Repeat("report ", 100_000)
	server.SetFile("web", "/tmp/report.json", content)
	got, err := e.ReadFile(t.Context(), "web", "/tmp/report.json")
	if !bytes.Equal(got, []byte(content)) || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := e.ReadFile(t.Context(), "web", "/none"); !engine.IsNotFound(err) {
		t.Error(err)
	}
	server.Fault("GET", "/containers/web/archive", enginetest.Fault{Cut: 2000}, 1)
	_, err = e.ReadFile(t.Context(), "web", "/tmp/report.json")
	testkit.WantError(t, err, exit.Unavailable, "/tmp/report.json")
}
