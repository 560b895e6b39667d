package upstreams

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/proxy/bulk"
	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/proxy/roundtrip"
)

// runProxy starts a real Caddy in front of the source and returns its URL.
func runProxy(t testing.TB, source *Source) string {
	t.Helper()
	proxy := reverseproxy.Handler{
		DynamicUpstreamsRaw: caddyconfig.JSONModuleObject(source, "source", "probed", nil),
		LoadBalancing:       LoadBalancing(),
		TransportRaw: caddyconfig.JSONModuleObject(bulk.Transport{Transport: roundtrip.Transport{HTTPTransport: reverseproxy.HTTPTransport{
			DialTimeout: caddy.Duration(time.Second),
			KeepAlive:   &reverseproxy.KeepAlive{MaxIdleConnsPerHost: 256},
		}}}, "protocol", "tale_bulk", nil),
	}
	return "http://" + caddytest.Run(t, &caddyhttp.Server{
		Routes: caddyhttp.RouteList{caddytest.Handle(caddytest.Handler("reverse_proxy", proxy))},
	})
}

// load sends requests until it is stopped and keeps what went wrong.
type load struct {
	t        *testing.T
	url      string
	client   *http.Client
	tolerate func(method string) bool // a failure of this method is no failure

	stop     chan struct{}
	workers  sync.WaitGroup
	requests atomic.Int64
	slowest  atomic.Int64 // nanoseconds
	mu       sync.Mutex
	failures []string
}

func startLoad(t *testing.T, url string, tolerate func(string) bool) *load {
	l := &load{
		t: t, url: url, tolerate: tolerate, stop: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 20 * time.Second},
	}
	for i := range 8 {
		l.workers.Go(func() { l.work(i) })
	}
	t.Cleanup(l.client.CloseIdleConnections)
	return l
}

func (l *load) work(seed int) {
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		burst := 1
		if random.IntN(40) == 0 {
			burst = 15
		}
		var pending sync.WaitGroup
		for range burst {
			method := []string{http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut}[random.IntN(4)]
			fresh := random.IntN(8) == 0
			pending.Go(func() { l.send(method, fresh) })
		}
		pending.Wait()
	}
}

func (l *load) send(method string, fresh bool) {
	began := time.Now()
	err := l.try(method, fresh)
	took := time.Since(began)
	l.requests.Add(1)
	for slowest := l.slowest.Load(); int64(took) > slowest && !l.slowest.CompareAndSwap(slowest, int64(took)); slowest = l.slowest.Load() {
	}
	if err != nil && (l.tolerate == nil || !l.tolerate(method)) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failures = append(l.failures, fmt.Sprintf("%s after %v: %v", method, took, err))
	}
}

func (l *load) try(method string, fresh bool) error {
	var body io.Reader
	if method == http.MethodPost || method == http.MethodPut {
		body = bytes.NewReader(make([]byte, 2000))
	}
	req, err := http.NewRequest(method, l.url+"/page", body)
	if err != nil {
		return err
	}
	req.Close = fresh
	res, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d from %q", res.StatusCode, res.Header.Get("X-Service"))
	}
	if body != nil && res.Header.Get("X-Received") != "2000" || method == http.MethodGet && len(answer) == 0 {
		return fmt.Errorf("the body did not arrive: %q", res.Header.Get("X-Received"))
	}
	return nil
}

// finish stops the load and fails the test if a request failed.
func (l *load) finish() {
	l.t.Helper()
	close(l.stop)
	l.workers.Wait()
	l.t.Logf("%d requests, slowest %v", l.requests.Load(), time.Duration(l.slowest.Load()))
	if n := len(l.failures); n > 0 {
		l.t.Errorf("%d of %d requests failed, for example:\n%s", n, l.requests.Load(), strings.Join(l.failures[:min(n, 10)], "\n"))
	}
}
