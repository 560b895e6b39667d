package tunnel

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() { caddy.RegisterModule(static{}) }

// static is an upstream source with one address, for tests that have no name to
// resolve.
type static struct {
	Address string `json:"address"`
}

func (static) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.upstreams.tale_test", New: func() caddy.Module { return new(static) }}
}

func (s *static) GetUpstreams(*http.Request) ([]*reverseproxy.Upstream, error) {
	if s.Address == "" {
		return nil, nil
	}
	return []*reverseproxy.Upstream{{Dial: s.Address}}, nil
}

func staticUpstream(address string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"source":"tale_test","address":%q}`, address))
}
