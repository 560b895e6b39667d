package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// The proxy asks by itself for the parts that a page names, and for none that a visitor
// would get elsewhere: what visitors write into pages opens nothing.
func TestPartsOfPagesAreAskedForWhereVisitorsGetThem(t *testing.T) {
	const part = "-BxYz12_a.js"
	open := []string{"/assets/x" + part, "/data/x" + part}
	closed := []string{"/metrics/x" + part, "/METRICS/x" + part, "/api/x" + part, "/api/storage/x" + part, "/ws_api/x" + part, "/http_api/x" + part, "/convex-dashboard/x" + part}
	var mu sync.Mutex
	var asked []string
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.Path)
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, closed, open)
	}))})
	_ = text(t, p.get("/", nil))
	has := func(path string) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(asked, path)
	}
	for _, path := range open { // which come last
		testkit.Eventually(t, path+" is asked for", func() bool { return has(path) })
	}
	for _, path := range closed {
		if has(path) {
			t.Errorf("%s is asked for", path)
		}
	}
}
