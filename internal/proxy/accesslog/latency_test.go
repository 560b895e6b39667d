package accesslog

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestLatencyByUpstreamAndClass(t *testing.T) {
	upstream := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		<-time.After(200 * time.Millisecond) // which is measured
		_, _ = io.WriteString(w, "b")
	})
	host.Provide(host.Process{Access: logging.New(&book{}, logging.FormatJSON, slog.LevelError)}) // measured, but not logged
	t.Cleanup(func() { host.Provide(host.Process{}) })
	addr := caddytest.Run(t, &caddyhttp.Server{Routes: caddyhttp.RouteList{
		caddytest.Handle(caddytest.Handler("tale_access_log", Handler{Quiet: []string{"/quiet"}})),
		{MatcherSetsRaw: caddyhttp.RawMatcherSets{{"path": []byte(`["/own","/quiet"]`)}}, HandlersRaw: caddytest.Handle(caddytest.Handler("static_response", caddyhttp.StaticResponse{StatusCode: "302"})).HandlersRaw, Terminal: true},
		caddytest.Handle(caddytest.Handler("tale_upstream", Upstream{Name: "app"})),
		caddytest.Handle(caddytest.Handler("reverse_proxy", reverseproxy.Handler{Upstreams: reverseproxy.UpstreamPool{{Dial: upstream}}})),
	}})
	for _, path := range []string{"/slow", "/broken", "/broken", "/own", "/quiet"} {
		get(t, "http://"+addr+path, nil)
	}
	const duration, firstByte = "tale_proxy_request_duration_seconds", "tale_proxy_first_byte_seconds"
	testkit.Eventually(t, "every request is measured", func() bool {
		failed, _ := histogram(t, duration, "app", "5xx")
		own, _ := histogram(t, duration, ownAnswers, "3xx")
		return failed == 2 && own == 1
	})
	count, whole := histogram(t, duration, "app", "2xx")
	_, first := histogram(t, firstByte, "app", "2xx")
	if count != 1 || whole < .1 || first > whole-.05 {
		t.Errorf("the slow answer: %d times, first byte after %v, whole after %v", count, first, whole)
	}
	if count, _ := histogram(t, duration, "app", "3xx"); count != -1 {
		t.Error("there is a series without a value")
	}
}

// histogram returns how often and with which sum of seconds a series of Caddy's own
// registry was observed; -1 times, if there is no such series.
func histogram(t *testing.T, name, upstream, code string) (count int, seconds float64) {
	t.Helper()
	running := caddy.ActiveContext()
	families, err := running.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if family.GetName() == name && labels["upstream"] == upstream && labels["code"] == code {
				return int(metric.GetHistogram().GetSampleCount()), metric.GetHistogram().GetSampleSum()
			}
		}
	}
	return -1, 0
}
