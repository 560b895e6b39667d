// Package simtest starts simulators in tests. It is apart from package convexsim so
// that no program links package testing.
package simtest

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/sys/freeport"
)

// deadline bounds how long a simulator may take to open its ports, and to end.
const deadline = 30 * time.Second

// Start runs a simulator on loopback for the length of a test, in a temporary
// folder unless the options name one. It returns when the ports are open; with a
// fault of fault.StageStart it returns at once, the ports being known already.
func Start(t testing.TB, options convexsim.Options) *convexsim.Server {
	t.Helper()
	options.Interface = cmp.Or(options.Interface, "127.0.0.1")
	if options.Storage == "" {
		options.Storage = t.TempDir()
	}
	late := slices.ContainsFunc(options.Faults, func(f fault.Fault) bool { return f.Stage == fault.StageStart })
	if late {
		options.Port, options.SitePort = freePort(t, options.Port), freePort(t, options.SitePort)
	}
	s, err := convexsim.New(options)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := s.Run(context.WithoutCancel(t.Context()), nil)
		failed <- err
	}()
	t.Cleanup(func() { Stop(t, s) })
	if late {
		return s
	}
	select {
	case <-s.Ready():
	case err := <-failed:
		t.Fatalf("the simulator ended at its start: %v", err)
	case <-time.After(deadline):
		t.Fatal("the simulator does not open its ports")
	}
	return s
}

// Restart ends a simulator as a crash would and starts one with the same folder
// and ports, without the faults. A POST that goes out on a connection of the one that
// ended would not be tried again.
func Restart(t testing.TB, s *convexsim.Server) *convexsim.Server {
	t.Helper()
	Stop(t, s)
	http.DefaultClient.CloseIdleConnections()
	options := s.Options()
	options.Faults = nil
	return Start(t, options)
}

// Stop ends a simulator at once and waits for it.
func Stop(t testing.TB, s *convexsim.Server) {
	t.Helper()
	s.End()
	select {
	case <-s.Done():
	case <-time.After(deadline):
		t.Error("the simulator does not end")
	}
}

func freePort(t testing.TB, wanted int) int {
	t.Helper()
	if wanted != 0 {
		return wanted
	}
	free, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return free
}
