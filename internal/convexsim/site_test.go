package convexsim_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// site makes a request on the site port.
func site(t *testing.T, s *convexsim.Server, method, path string, body string, edits ...edit) answered {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.SiteURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range edits {
		edit(request)
	}
	return send(t, request)
}

// withHTTP pushes an app that has an http.ts.
func withHTTP(t *testing.T, s *convexsim.Server) {
	t.Helper()
	deploy(t, s, change(newPush(s), object{"changedModules": []object{function("http.js", "default")}}))
}

func TestWithoutHTTPActionsTheSitePortSaysSo(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	for _, path := range []string{"/", "/hello", "/a/b?c=d"} {
		if got := site(t, s, http.MethodGet, path, ""); got.status != http.StatusNotFound || got.body != convexsim.NoHTTPActions {
			t.Errorf("%s: got %+v", path, got)
		}
	}
}

func TestTheSitePortForwardsToHTTP(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	withHTTP(t, s)
	for name, c := range map[string]struct {
		header [2]string
		want   string
	}{
		"plain":             {want: "http://app.example/a%20b/c?d=e"},
		"x-forwarded-proto": {[2]string{"X-Forwarded-Proto", "https"}, "https://app.example/a%20b/c?d=e"},
		"forwarded":         {[2]string{"Forwarded", `for=1.2.3.4;proto="https";host=x, proto=http`}, "https://app.example/a%20b/c?d=e"},
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			got := site(t, s, method, "/a%20b/c?d=e", "body", func(r *http.Request) {
				r.Host = "app.example"
				r.Header.Set(c.header[0], c.header[1])
				if c.header[0] == "" {
					r.Header.Del("")
				}
			})
			var answer convexsim.HTTPActionAnswer
			got.decode(t, &answer)
			if got.status != 200 || answer.URL != c.want || answer.Method != method || answer.Path != "/a b/c" || answer.BodyBytes != 4 {
				t.Errorf("%s %s: got %+v", name, method, answer)
			}
		}
	}
	if got := site(t, s, "PURGE", "/", ""); got.status != http.StatusMethodNotAllowed || got.body != "" {
		t.Errorf("got %+v", got)
	}
	for _, path := range []string{"/a//b", "//", "/a/../b", "/a/./b"} {
		if got := site(t, s, http.MethodGet, path, ""); !strings.Contains(got.body, `"path":"`+path+`"`) {
			t.Errorf("%s did not arrive as it was sent: %+v", path, got)
		}
	}
	if got := call(t, s, http.MethodGet, "/http/direct", nil); !strings.Contains(got.body, `"path":"/direct"`) {
		t.Errorf("the API port has the same under /http: %+v", got)
	}
}

func TestTwoPathsOfTheSitePortAreItsOwn(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{Version: "2026.2"})
	withHTTP(t, s)
	if got := site(t, s, http.MethodGet, "/version", ""); got.body != "unknown" {
		t.Errorf("/version: got %+v", got)
	}
	if got := site(t, s, http.MethodGet, "/metrics", ""); !strings.Contains(got.body, "backend_http_proxy_http_service_concurrent_requests") {
		t.Errorf("/metrics: got %+v", got)
	}
}

func TestTheSitePortWorksOnFourRequestsAtATime(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	inject(t, s, "stage=http_action,hang")
	var waiting sync.WaitGroup
	for range convexsim.SiteConcurrency {
		waiting.Go(func() { site(t, s, http.MethodGet, "/slow", "") })
	}
	testkit.Eventually(t, "four are forwarded", func() bool { return s.Running() == convexsim.SiteConcurrency })
	done := make(chan answered, 1)
	go func() { done <- site(t, s, http.MethodGet, "/fifth", "") }()
	select {
	case got := <-done:
		t.Errorf("the fifth was not kept waiting: %+v", got)
	case <-time.After(50 * time.Millisecond):
	}
	if s.Running() != convexsim.SiteConcurrency {
		t.Errorf("%d requests were forwarded", s.Running())
	}
	if got := site(t, s, http.MethodGet, "/version", ""); got.status != http.StatusOK {
		t.Errorf("/version is behind the limit: %+v", got)
	}
	s.Remove("")
	waiting.Wait()
	<-done
}
