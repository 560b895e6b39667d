package backend

import (
	"context"
	"fmt"

	"github.com/tale-project/tale-runtime/internal/health"
)

// Probe asks a backend whether it answers, and whether it is ours.
type Probe struct {
	Prober  *health.Prober
	Network Network
	Name    string // of the instance
}

// Identify returns the backend's version if the backend has our instance's name.
func (p Probe) Identify(ctx context.Context) (version string, err error) {
	if version, err = p.Version(ctx); err != nil {
		return "", err
	}
	name, err := p.Prober.Get(ctx, p.Network.URL()+"/instance_name")
	if err != nil {
		return "", err
	}
	if name != p.Name {
		return "", fmt.Errorf("port %d is answered by the instance %q and not by %q: another backend listens there", p.Network.BackendPort, name, p.Name)
	}
	return version, nil
}

// Version returns what the backend reports at /version.
func (p Probe) Version(ctx context.Context) (string, error) {
	return p.Prober.Get(ctx, p.Network.URL()+"/version")
}
