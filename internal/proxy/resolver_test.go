package proxy

import (
	"net"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// One upstream is probed and the other is not; both names are known to nobody
// but the name server of the setting.
func TestUpstreamsAreLookedUpWhereTheSettingSays(t *testing.T) {
	dns := upstreamstest.NewDNS(t)
	named := func(name string, upstream routes.Upstream) string {
		_, port, _ := net.SplitHostPort(echo(t, string(upstream), nil))
		dns.Set(name, "127.0.0.1")
		return name + ":" + port
	}
	p := start(t, config.Environ{
		"TLS_MODE": stack.TLSExternal, "UPSTREAM_RESOLVER": dns.Addr(),
		"PLATFORM_UPSTREAM":  named("platform.alias.test", routes.Platform),
		"DASHBOARD_UPSTREAM": named("dashboard.alias.test", routes.Dashboard),
	})
	for target, want := range map[string]routes.Upstream{"/": routes.Platform, "/convex-dashboard/": routes.Dashboard} {
		if got := echoed(t, p.get(target, nil)).On; got != string(want) {
			t.Errorf("%s was answered by %q, want %s", target, got, want)
		}
	}
}
