package convex

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestStatusPort(t *testing.T) {
	address := "127.0.0.1:" + testkit.FreePort(t)
	s := newService(t, "STATUS_ADDR", address).start()
	s.untilReady()
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/startupz": 200, "/status": 200, "/metrics": 200, "/other": 404} {
		response, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
		if service := response.Header.Get(health.ServiceHeader); path == "/readyz" && service != stack.Convex {
			t.Errorf("%s says that it is of %q", path, service)
		}
	}
	// What this machine cannot tell, the status leaves out.
	_, known := cgroup.Here().Limit()
	document, err := status.Source{Addr: address}.Fetch(t.Context())
	if err != nil || (document.Memory != nil) != known {
		t.Errorf("memory %+v, known %t, %v", document.Memory, known, err)
	}
	if document.Shared["CONVEX_STORAGE"] == "" {
		t.Errorf("other services cannot compare their settings with %v", document.Shared)
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"healthcheck"}} {
		asked := &service{t: t, dir: s.dir, environ: s.environ}
		if code := asked.start(args...).WaitWithin(10 * time.Second); code != 0 || !asked.Says("ready") {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}

// The health check's output is what an operator sees of a boot that waits for Postgres.
func TestReadinessTellsWhatABootWaitsFor(t *testing.T) {
	address := testkit.FreeAddress(t)
	host, port, _ := strings.Cut(testkit.FreeAddress(t), ":")
	s := newService(t, "STATUS_ADDR", address, "CONVEX_STORAGE", "", "DB_HOST", host, "DB_PORT", port, "DB_PASSWORD", "any").start()
	want := "stage storage: Postgres at " + host + ":" + port + ": connection refused"
	s.Until(want, func() bool {
		document, err := (status.Source{Addr: address}).Fetch(t.Context())
		return err == nil && strings.HasPrefix(document.Reason, want)
	})
	s.Stop(5 * time.Second)
}
