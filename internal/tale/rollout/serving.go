package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Serving is what the proxy says of where requests go.
type Serving struct {
	Known     bool   // the proxy could be asked
	Why       string // why it could not be
	Upstreams []Upstream
}

// Upstream is a service as the proxy knows it, as far as that matters here; the document is
// that of `proxy status --json`.
type Upstream struct {
	Upstream  string    `json:"upstream"`
	Addresses []Address `json:"addresses,omitempty"`
}

// Address is one address of an upstream.
type Address struct {
	Address string    `json:"address"`
	Healthy bool      `json:"healthy"`
	Serving bool      `json:"serving"`
	First   bool      `json:"first"` // new requests go there
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason,omitempty"`
	Gone    bool      `json:"gone,omitempty"` // its name does not list it any more
}

// errNoStatus is a proxy that has no status command, such as stock Caddy's.
var errNoStatus = errors.New("the proxy has no status command")

// statusLimit is far more than the document of a proxy, in bytes.
const statusLimit = 1 << 20

// directLimit is how long a proxy on this host may take to answer: it is no network away.
const directLimit = 500 * time.Millisecond

// askProxy returns what the running proxy says: by its port, where that is within reach,
// because a command in its container takes eighty times as long; or else by its command.
func askProxy(ctx context.Context, docker *engine.Engine, proxy engine.Container) (Serving, error) {
	if info, err := docker.Info(ctx); err == nil {
		if address := info.Direct(proxy, stack.ProxyHealthPort); address != "" {
			if serving, err := askPort(ctx, address); err == nil {
				return serving, nil
			}
		}
	}
	return askCommand(ctx, docker, proxy)
}

// askPort asks the proxy at the address of its health.
func askPort(ctx context.Context, address string) (Serving, error) {
	ctx, cancel := context.WithTimeout(ctx, directLimit)
	defer cancel()
	url := "http://" + address + stack.ProxyHealthPath + "?" + stack.ProxyStatusQuery
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Serving{}, err
	}
	response, err := httpclient.New(&http.Transport{DisableKeepAlives: true}).Do(request)
	if err != nil {
		return Serving{}, err
	}
	defer func() { _ = response.Body.Close() }()
	document, err := io.ReadAll(io.LimitReader(response.Body, statusLimit))
	if err != nil {
		return Serving{}, err
	}
	serving, err := servingOf(document)
	if serving.Upstreams == nil {
		err = errNoStatus // another service's port
	}
	return serving, err
}

// servingOf reads a status document. Another answer is errNoStatus.
func servingOf(document []byte) (Serving, error) {
	serving := Serving{Known: true}
	if err := json.Unmarshal(document, &serving); err != nil {
		return Serving{}, errNoStatus
	}
	return serving, nil
}

func askCommand(ctx context.Context, docker *engine.Engine, proxy engine.Container) (Serving, error) {
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
	return servingOf([]byte(out))
}

// prefers reports whether the proxy sends new requests to a rather than to b, or will once a has
// passed its probes, and whether it says so: its list has the newest first, whatever their health,
// and what is not in it yet will be newer than all that is. After its own start, and where an
// address has gone and come back, that is another order than that of their making.
func (s Serving) prefers(a, b engine.Container) (prefers, says bool) {
	for _, upstream := range s.Upstreams {
		at := func(c engine.Container) int {
			return slices.IndexFunc(upstream.Addresses, func(address Address) bool { return !address.Gone && address.isOf(c) })
		}
		switch first, second := at(a), at(b); {
		case first >= 0 && second >= 0:
			return first < second, true
		case first >= 0 || second >= 0:
			return first < 0, true
		}
	}
	return false, false
}

func (a Address) isOf(container engine.Container) bool {
	host, _, _ := net.SplitHostPort(a.Address)
	for _, own := range container.Addresses {
		if own != "" && own == host {
			return true
		}
	}
	return false
}

// Of returns what the proxy knows of a container, in whichever upstream it is.
func (s Serving) Of(container engine.Container) (Address, bool) {
	for _, upstream := range s.Upstreams {
		for _, address := range upstream.Addresses {
			if address.isOf(container) {
				return address, true
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
