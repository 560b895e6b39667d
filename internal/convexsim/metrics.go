package convexsim

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// requestMetrics counts requests as the backend does: in VictoriaMetrics
// histograms, whose buckets have a label vmrange instead of le, with the route's
// pattern, braces and all, in the label endpoint.
type requestMetrics struct {
	mu     sync.Mutex
	series map[string]*histogram // by labels
}

type histogram struct {
	buckets map[string]int // by vmrange
	sum     float64
	count   int
}

const bucketsPerDecade = 18

func (m *requestMetrics) observe(endpoint, method string, status int, client string, took time.Duration) {
	if endpoint == "" {
		endpoint = "unknown"
	}
	if client == "" {
		client = "unknown-unknownversion"
	}
	labels := fmt.Sprintf("client_version=%q,endpoint=%q,is_test=\"false\",method=%q,status=\"%d\"", client, endpoint, method, status)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.series == nil {
		m.series = map[string]*histogram{}
	}
	series := m.series[labels]
	if series == nil {
		series = &histogram{buckets: map[string]int{}}
		m.series[labels] = series
	}
	seconds := max(took.Seconds(), 1e-9)
	series.buckets[vmrange(seconds)]++
	series.sum += seconds
	series.count++
}

func vmrange(value float64) string {
	bucket := math.Floor(math.Log10(value) * bucketsPerDecade)
	return fmt.Sprintf("%.3e...%.3e", math.Pow(10, bucket/bucketsPerDecade), math.Pow(10, (bucket+1)/bucketsPerDecade))
}

func (m *requestMetrics) write(text *strings.Builder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.series) == 0 {
		return
	}
	const name = "http_handle_duration_seconds"
	fmt.Fprintf(text, "# HELP %s Time to handle an HTTP request\n# TYPE %s vmhistogram\n", name, name)
	for _, labels := range slices.Sorted(maps.Keys(m.series)) {
		series := m.series[labels]
		for _, bounds := range slices.Sorted(maps.Keys(series.buckets)) {
			fmt.Fprintf(text, "%s_bucket{%s,vmrange=%q} %d\n", name, labels, bounds, series.buckets[bounds])
		}
		fmt.Fprintf(text, "%s_sum{%s} %g\n%s_count{%s} %d\n", name, labels, series.sum, name, labels, series.count)
	}
}

// handleMetrics serves GET /metrics on both ports: without authentication, always on.
func (s *Server) handleMetrics(w http.ResponseWriter, _ *http.Request) error {
	var text strings.Builder
	for service, limit := range map[string]permits{"backend": s.apiPermits, "backend_http_proxy": s.sitePermits} {
		name := service + "_http_service_concurrent_requests"
		fmt.Fprintf(&text, "# HELP %s The number of currently outstanding requests on the ConvexHttpService\n# TYPE %s gauge\n%s %d\n",
			name, name, name, len(limit))
	}
	s.metrics.write(&text)
	protocol.WriteText(w, http.StatusOK, text.String())
	return nil
}
