package target

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// request returns a request as Caddy's server passes it to handlers.
func request(method, target string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	r.RequestURI = target
	u, err := r.URL.Parse(target)
	if err != nil {
		panic(err)
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
	return r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
}

func forward(f *Forward, r *http.Request) (uri string, status int) {
	err := f.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		uri = r.URL.RequestURI()
		return nil
	}))
	if handlerErr, ok := err.(caddyhttp.HandlerError); ok {
		return "", handlerErr.StatusCode
	}
	return uri, http.StatusOK
}

func TestForwardChangesPathsOnTheirEncodedForm(t *testing.T) {
	for _, tt := range []struct {
		forward      Forward
		target, want string
	}{
		{Forward{}, "/a%2Fb?x=%2F", "/a%2Fb?x=%2F"},
		{Forward{Prefix: "/http"}, "/a%2Fb//c?x", "/http/a%2Fb//c?x"},
		{Forward{Prefix: "/http"}, "/%C3%BC", "/http/%C3%BC"},
		{Forward{Strip: "/ws_api"}, "/ws_api/a%2Fb", "/a%2Fb"},
		{Forward{Strip: "/ws_api"}, "/WS_Api//x", "/x"},
		{Forward{Strip: "/ws_api"}, "/ws_api", "/"},
		{Forward{Strip: "/ws_api"}, "/ws_api//x//%2F", "/x/%2F"},
		{Forward{Strip: "/ws_api"}, "/ws_api%2Fx", ""},
		{Forward{Strip: "/ws_api"}, "/ws%5Fapi/x", ""},
		{Forward{Strip: "/http_api", Prefix: "/http"}, "/http_api/", "/http/"},
		{Forward{Path: "/metrics"}, "/metrics/crawler?x=1", "/metrics?x=1"},
	} {
		if got, _ := forward(&tt.forward, request(http.MethodGet, tt.target)); got != tt.want {
			t.Errorf("%+v: %s became %s, want %s", tt.forward, tt.target, got, tt.want)
		}
	}
}

func TestForwardSettlesUpgrades(t *testing.T) {
	http1 := func(upgrades ...string) *http.Request {
		r := request(http.MethodGet, "/x")
		r.Header["Upgrade"] = upgrades
		return r
	}
	connect := func(major int, proto, pseudo string) *http.Request {
		r := request(http.MethodConnect, "/x")
		r.ProtoMajor, r.Proto = major, proto
		if pseudo != "" {
			r.Header[":protocol"] = []string{pseudo}
		}
		return r
	}
	for name, tt := range map[string]struct {
		request        func() *http.Request
		socket, passed bool // on a socket route: is the upgrade kept; on another: is the request let through
	}{
		"websocket":               {func() *http.Request { return http1("WebSocket") }, true, true},
		"h2c":                     {func() *http.Request { return http1("h2c") }, false, true},
		"two protocols":           {func() *http.Request { return http1("websocket, h2c") }, false, true},
		"two headers":             {func() *http.Request { return http1("websocket", "h2c") }, false, true},
		"HTTP/2 websocket":        {func() *http.Request { return connect(2, "HTTP/2.0", "websocket") }, true, false},
		"HTTP/2 other":            {func() *http.Request { return connect(2, "HTTP/2.0", "connect-udp") }, false, false},
		"HTTP/2 plain CONNECT":    {func() *http.Request { return connect(2, "HTTP/2.0", "") }, false, false},
		"HTTP/3 websocket":        {func() *http.Request { return connect(3, "websocket", "") }, true, false},
		"HTTP/3 other":            {func() *http.Request { return connect(3, "connect-udp", "") }, false, false},
		"HTTP/1 CONNECT":          {func() *http.Request { return connect(1, "HTTP/1.1", "") }, false, false},
		"HTTP/1 CONNECT disguise": {func() *http.Request { return connect(1, "HTTP/1.1", "websocket") }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := tt.request()
			connects := r.Method == http.MethodConnect
			_, status := forward(&Forward{Socket: true}, r)
			if kept := status == http.StatusOK && (connects || len(r.Header["Upgrade"]) > 0); kept != tt.socket {
				t.Errorf("on a socket route: status %d, Upgrade %q", status, r.Header["Upgrade"])
			}
			r = tt.request()
			_, status = forward(&Forward{}, r)
			if (status == http.StatusOK) != tt.passed || len(r.Header["Upgrade"]) > 0 {
				t.Errorf("on another route: status %d, Upgrade %q", status, r.Header["Upgrade"])
			}
		})
	}
}
