package backend

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/health"
)

func TestProbeTellsAnotherBackend(t *testing.T) {
	sim := simtest.Start(t, convexsim.Options{InstanceName: "other", InstanceSecret: secretA})
	probe := Probe{Prober: health.NewProber(), Network: Network{BackendPort: sim.Options().Port}, Name: "tale_platform"}
	if _, err := probe.Identify(t.Context()); err == nil || !strings.Contains(err.Error(), `the instance "other"`) {
		t.Errorf("error %v", err)
	}
	probe.Name = "other"
	if version, err := probe.Identify(t.Context()); err != nil || version != "unknown" {
		t.Errorf("version %q, %v", version, err)
	}
}
