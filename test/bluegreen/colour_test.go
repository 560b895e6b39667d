package bluegreen

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/testkit"
	"github.com/tale-project/tale-runtime/test/builtapp"
)

// How a process is told that it is a colour, and which.
const (
	colourRole      = "colour"
	nameVariable    = "COLOUR_NAME"
	addressVariable = "COLOUR_ADDRESS"
	bootVariable    = "COLOUR_BOOT"
	versionVariable = "COLOUR_VERSION"
)

// drain is how long a colour that was told to stop says 503 on its health route
// before it stops. The proxy looks every second; the platform's own default is
// 6 s (SHUTDOWN_DRAIN_SECONDS).
const drain = 3 * time.Second

// colour is the web application as a process: it answers 500 to everything while
// it boots, and drains when it is told to stop.
type colour struct {
	name     string
	app      builtapp.App
	booted   atomic.Bool
	draining atomic.Bool
}

func serveColour() error {
	c := &colour{name: os.Getenv(nameVariable)}
	c.app = builtapp.Sized(uint64(crc32.ChecksumIEEE([]byte(c.name))), parts, partsBytes)
	takes, err := time.ParseDuration(os.Getenv(bootVariable))
	if err != nil {
		return err
	}
	stop, release := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer release()
	server := &http.Server{Addr: os.Getenv(addressVariable), Handler: c, IdleTimeout: 3 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	time.AfterFunc(takes, func() { c.booted.Store(true) })
	select {
	case err := <-ended:
		return err
	case <-stop.Done():
	}
	c.draining.Store(true)
	<-time.After(drain)
	limited, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	return server.Shutdown(limited)
}

func (c *colour) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Colour", c.name)
	switch {
	case !c.booted.Load():
		http.Error(w, "booting", http.StatusInternalServerError)
	case r.URL.Path == "/api/health":
		w.Header().Set(health.VersionHeader, os.Getenv(versionVariable))
		if c.draining.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	case r.URL.Path == "/app":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, c.app.Page)
	case strings.HasPrefix(r.URL.Path, "/assets/"):
		c.servePart(w, r)
	default:
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		<-time.After(time.Duration(rand.IntN(20)) * time.Millisecond) // as an application that asks a database
		w.Header().Set("X-Received", strconv.FormatInt(n, 10))
		_, _ = io.WriteString(w, c.name)
	}
}

// servePart answers with a part of this colour's own application.
func (c *colour) servePart(w http.ResponseWriter, r *http.Request) {
	text, there := c.app.Files[r.URL.Path]
	if !there {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/javascript")
	_, _ = io.WriteString(w, text)
}

// container is a colour that runs, seen from outside.
type container struct {
	ip      string
	process *exec.Cmd
	ended   chan struct{}
}

// startColour runs a colour at an address of its own.
func startColour(t *testing.T, name, version, ip, port string, boots time.Duration) *container {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &container{ip: ip, process: exec.Command(self), ended: make(chan struct{})}
	c.process.Env = []string{"HOME=/", testkit.RoleVariable + "=" + colourRole, nameVariable + "=" + name, versionVariable + "=" + version, addressVariable + "=" + ip + ":" + port, bootVariable + "=" + boots.String()}
	c.process.Stderr = os.Stderr
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		var exit *exec.ExitError
		err := c.process.Wait()
		killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled()
		if err != nil && !killed {
			t.Errorf("%s: %v", name, err)
		}
	}()
	t.Cleanup(func() { c.stop(syscall.SIGKILL) })
	return c
}

// stop sends the signal and waits for the end.
func (c *container) stop(sig syscall.Signal) {
	_ = c.process.Process.Signal(sig)
	<-c.ended
}
