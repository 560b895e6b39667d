package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Serving is what the proxy says of where requests go.
type Serving struct {
	Known     bool   // the proxy could be asked
	Why       string // why it could not be
	Available bool
	Upstreams []Upstream
}

// Upstream is a service as the proxy knows it; the document is that of
// `proxy status --json`.
type Upstream struct {
	Upstream  string    `json:"upstream"`
	Available bool      `json:"available"`
	Since     time.Time `json:"since"`
	Resolver  string    `json:"resolver,omitempty"`
	Addresses []Address `json:"addresses,omitempty"`
}

// Address is one address of an upstream.
type Address struct {
	Address  string    `json:"address"`
	Healthy  bool      `json:"healthy"`
	Serving  bool      `json:"serving"`
	First    bool      `json:"first"` // new requests go there
	Version  string    `json:"version,omitempty"`
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason,omitempty"`
	Requests int64     `json:"requests"`
	Sockets  int64     `json:"sockets"`
}

// errNoStatus is a proxy that has no status command, such as stock Caddy's.
var errNoStatus = errors.New("the proxy has no status command")

// AskProxy returns what the running proxy says.
func AskProxy(ctx context.Context, docker *engine.Engine, proxy engine.Container) (Serving, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, said, code, err := docker.Exec(ctx, proxy.ID, []string{"proxy", "status", "--json"}, nil)
	switch {
	case code == exit.NotFound:
		return Serving{}, errNoStatus
	case err != nil:
		return Serving{}, fmt.Errorf("cannot ask the proxy: %w", err)
	case code != 0:
		return Serving{}, fmt.Errorf("cannot ask the proxy: %s", strings.TrimSpace(said))
	}
	serving := Serving{Known: true}
	if err := json.Unmarshal([]byte(out), &serving); err != nil {
		return Serving{}, errNoStatus
	}
	return serving, nil
}

// Of returns what the proxy knows of a container, in whichever upstream it is.
func (s Serving) Of(container engine.Container) (Address, bool) {
	for _, upstream := range s.Upstreams {
		for _, address := range upstream.Addresses {
			host, _, _ := net.SplitHostPort(address.Address)
			for _, own := range container.Addresses {
				if own != "" && own == host {
					return address, true
				}
			}
		}
	}
	return Address{}, false
}

// Offers reports whether new requests go to a container.
func (s Serving) Offers(container engine.Container) bool {
	address, known := s.Of(container)
	return known && address.First
}
