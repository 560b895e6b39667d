package deploy

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// TestASilentRegistryIsAskedOnce, and told once, of however many images.
func TestASilentRegistryIsAskedOnce(t *testing.T) {
	server := enginetest.New(t)
	server.Fault(http.MethodGet, "/distribution/*/json", enginetest.Fault{Status: http.StatusInternalServerError, Message: "dial tcp: no route to host"}, -1)
	d := &deployment{Session: &session.Session{Engine: server.Connect(t, engine.Options{})}}
	for _, image := range []string{"r.example/a:latest", "r.example/b:latest", "other.example/c:latest", "r.example/d:latest"} {
		d.target.Services = append(d.target.Services, rollout.Wanted{Image: image})
	}
	notes := d.moving(t.Context())
	asked := slices.DeleteFunc(server.Calls(), func(call string) bool { return !strings.Contains(call, "/distribution/") })
	if len(notes) != 2 || len(asked) != 2 || !strings.Contains(notes[0], "r.example/a:latest and others") {
		t.Errorf("asked %q, notes %q", asked, notes)
	}
}

// TestAVersionThatNothingNames is told beside the images of it that cannot be had.
func TestAVersionThatNothingNames(t *testing.T) {
	server := enginetest.New(t)
	server.Fault(http.MethodGet, "/distribution/*/json", enginetest.Fault{Status: http.StatusInternalServerError, Message: "dial tcp: no route to host"}, -1)
	docker := server.Connect(t, engine.Options{Docker: server.Docker(t)})
	for name, tt := range map[string]struct {
		assumed []string
		pull    []string
		told    bool
		code    int
	}{
		"assumed":   {[]string{"r.example/tale-db:latest"}, []string{"r.example/tale-db:latest", "r.example/shop:1"}, true, exit.Unavailable},
		"named":     {nil, []string{"r.example/tale-db:1.0.0"}, false, exit.Unavailable},
		"no name":   {nil, []string{"r.example/tale-db:1.0 0/x"}, false, exit.Config},
		"another":   {[]string{"r.example/tale-db:latest"}, []string{"r.example/shop:1"}, false, exit.Unavailable},
		"tale.json": {[]string{"r.example/tale-db:latest"}, []string{"r.example/shop:latest"}, false, exit.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			d := &deployment{Session: &session.Session{Engine: docker}, model: &compose.Model{}, release: session.Release{Assumed: tt.assumed}}
			d.plan.Pull = tt.pull
			err := d.preflight(t.Context(), true)
			if exit.Code(err) != tt.code || strings.Contains(err.Error(), "TALE_VERSION in .env names") != tt.told {
				t.Errorf("exit code %d, %v", exit.Code(err), err)
			}
		})
	}
}
