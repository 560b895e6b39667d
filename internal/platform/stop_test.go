package platform

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A stop at any instant of the boot ends it as one that was asked for, within
// its budget, and leaves nothing behind.
func TestStopAtAnyInstant(t *testing.T) {
	const stops = 8
	sim := newSim(t)
	whole := bootTime(t, sim.URL())
	for range stops {
		after := rand.N(whole + whole/4)
		t.Run(after.Round(time.Millisecond).String(), func(t *testing.T) {
			t.Parallel()
			c := start(t, environ(t, sim.URL(), "DEBUG_MODE=1", "CONVEX_FORCE_PUSH=true"))
			c.Until("its first line", func() bool { return len(c.Output.String()) > 0 })
			instant := time.NewTimer(after)
			defer instant.Stop()
			<-instant.C
			began := time.Now()
			c.Signal(syscall.SIGTERM)
			if code := c.Wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			// The drain window of environ, and what a busy machine adds.
			if took := time.Since(began); took > 300*time.Millisecond+3*time.Second {
				t.Errorf("the stop took %s", took)
			}
			c.noLeftovers()
		})
	}
}

// A push that was stopped has not been made: who waits for the job must not go on.
func TestAStoppedPushIsNoSuccess(t *testing.T) {
	c := start(t, environ(t, "http://127.0.0.1:1"), "push")
	c.Until("it waits for the backend", func() bool { return c.Says("waiting for convex") })
	c.Signal(syscall.SIGTERM)
	if code := c.Wait(); code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d", code)
	}
}

// bootTime returns how long a boot takes until it is ready.
func bootTime(t *testing.T, url string) time.Duration {
	t.Helper()
	began := time.Now()
	c := start(t, environ(t, url))
	c.untilReady()
	took := time.Since(began)
	c.Signal(syscall.SIGTERM)
	c.Wait()
	return took
}

// processes counts those that were started with our run folder: the entrypoint
// and everything below it.
func (c *container) processes() (n int) {
	c.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, path := range all {
		// A process that has just ended has none.
		if environ, err := os.ReadFile(path); err == nil && bytes.Contains(environ, []byte("TALE_RUN_DIR="+c.runDir+"\x00")) {
			n++
		}
	}
	return n
}
