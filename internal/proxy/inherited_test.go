package proxy

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Container engines put the forward proxy of the host into every container. The
// upstreams are asked at 0.0.0.0, which reaches this machine and, other than
// 127.0.0.1, would be asked by way of a forward proxy.
func TestUpstreamsAreAskedDirectly(t *testing.T) {
	t.Parallel()
	forward := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	here := func(address string) string {
		_, port, _ := net.SplitHostPort(address)
		return net.JoinHostPort("0.0.0.0", port)
	}
	folder := t.TempDir()
	own := here(echo(t, "own", nil))
	snippet := "handle /own/* {\n\treverse_proxy " + own + "\n}\nhandle /too/* {\n\treverse_proxy " + own + " {\n\t\ttransport http {\n\t\t\tdial_timeout 1s\n\t\t}\n\t}\n}\n"
	if err := os.WriteFile(filepath.Join(folder, "own.caddy"), []byte(snippet), 0o600); err != nil {
		t.Fatal(err)
	}
	env := environ(t, config.Environ{
		"TLS_MODE": stack.TLSExternal, "PROXY_SITE_DIR": folder, "NO_COLOR": "1", "CADDY_ADMIN": "127.0.0.1:1", "XDG_DATA_HOME": "/proc/x", "XDG_CONFIG_HOME": "/proc/x", "RES_OPTIONS": "x", "LOCALDOMAIN": "x",
		"CONVEX_UPSTREAM": here(echo(t, "backend", nil)), "PLATFORM_UPSTREAM": here(echo(t, "platform", nil)), "DASHBOARD_UPSTREAM": here(echo(t, "dashboard", nil)),
	})
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		env[name], env[strings.ToLower(name)] = "http://"+forward, "http://"+forward
	}
	p := spawnReady(t, env)
	for target, on := range map[string]string{"/x": "platform", "/api/x": "backend", "/convex-dashboard/x": "dashboard", "/own/x": "own", "/too/x": "own"} {
		response := p.get(target, nil)
		if got := echoed(t, response); response.StatusCode != http.StatusOK || got.On != on {
			t.Errorf("%s: %d from %q", target, response.StatusCode, got.On)
		}
	}
}
