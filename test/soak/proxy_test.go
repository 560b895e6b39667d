package soak

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/proxytest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const siteName = "site.test"

// proxyProcess is the proxy.
type proxyProcess struct {
	*proxytest.Process
	t   *testing.T
	url string
}

func startProxy(t *testing.T, s *site) *proxyProcess {
	t.Helper()
	var log proxytest.Log = &testkit.Buffer{}
	if *proxyBinary != "" { // for hours: nobody reads all that
		log = firstLines{log}
	}
	return &proxyProcess{t: t, url: "https://" + siteName, Process: proxytest.Start(t, *proxyBinary, siteName, log, config.Environ{
		"TALE_LOG_LEVEL": "info", "UPSTREAM_RESOLVER": s.dns.Addr(), "PLATFORM_UPSTREAM": alias + ":" + strconv.Itoa(s.port), "PLATFORM_HEALTH": "/health", "ASSETS_CACHE": strconv.Itoa(assetsLimit),
		"CONVEX_UPSTREAM": s.backend.Listener.Addr().String(), "DASHBOARD_UPSTREAM": s.backend.Listener.Addr().String(),
	})}
}

// firstLines passes on what is logged until the proxy is ready, and drops the rest.
type firstLines struct{ proxytest.Log }

func (f firstLines) Write(p []byte) (int, error) {
	if strings.Contains(f.String(), "proxy ready") {
		return len(p), nil
	}
	return f.Log.Write(p)
}

// client returns a visitor's browser.
func (p *proxyProcess) client(http2 bool) *http.Client {
	transport := &http.Transport{TLSClientConfig: p.TLS.Clone(), MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: http2, DialContext: p.Dial}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
