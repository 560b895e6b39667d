package platform

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

// Another server on the web server's port answers the health route too, and
// would share the port with one that shares it.
func TestAnotherServerOnThePortIsNotTakenForOurs(t *testing.T) {
	sharing := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	listener, err := sharing.Listen(context.Background(), "tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	other := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}}
	other.Start()
	defer other.Close()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	sim := newSim(t)
	c := start(t, environ(t, sim.URL(), "PORT="+port, "DEBUG_MODE=1"))
	if code := c.Wait(); code != exit.Config {
		t.Errorf("exit code %d", code)
	}
	if state := sim.State(); len(state.Environment) > 0 || state.Pushes > 0 {
		t.Error("pushed before the port was looked at")
	}
	d := c.status()
	if d.Failure == nil || !strings.Contains(d.Failure.Message, "127.0.0.1:"+port+"/tcp (PORT): another process already does") {
		t.Fatalf("failure %+v", d.Failure)
	}
	if d.State != report.Failed || len(d.Failure.Fix) != 1 || !strings.Contains(d.Failure.Fix[0], "PORT to a free port") {
		t.Errorf("state %s, failure %+v", d.State, d.Failure)
	}
	c.noLeftovers()
	// A job without a web server does not mind.
	if code := start(t, environ(t, sim.URL(), "PORT="+port), "push").Wait(); code != 0 {
		t.Errorf("push: exit code %d", code)
	}
}

// While a dead web server waits for its restart, its port is anybody's.
func TestRestartWaitsForThePort(t *testing.T) {
	c := start(t, environ(t, newSim(t).URL(), "CONVEX_DEPLOY_DRIVER=cli"), "serve")
	c.untilReady()
	if err := syscall.Kill(c.status().Children[0].Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var other net.Listener
	c.Until("the port is free", func() (taken bool) {
		var err error
		other, err = net.Listen("tcp", strings.TrimPrefix(c.web, "http://"))
		return err == nil
	})
	c.Until("the restart is refused", func() bool {
		return c.Says("cannot start web: cannot listen on")
	})
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	c.Until("ready again", c.ready)
	c.Signal(syscall.SIGTERM)
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A web server that is not there is not tried again.
func TestMissingWebServerIsTriedOnce(t *testing.T) {
	began := time.Now()
	c := start(t, environ(t, newSim(t).URL(), "CONVEX_DEPLOY_DRIVER=cli", "WEB_COMMAND=no-such-web-server"), "serve")
	if code := c.Wait(); code != exit.NotFound {
		t.Errorf("exit code %d", code)
	}
	d := c.status()
	if d.Failure == nil || !strings.HasPrefix(d.Failure.Message, "cannot start web: no-such-web-server: not found in PATH") {
		t.Errorf("failure %+v after %s", d.Failure, time.Since(began))
	}
	if c.Says("restart") {
		t.Error("it speaks of a restart")
	}
}
