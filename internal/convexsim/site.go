package convexsim

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// serveSite takes a request on the site port: everything but two paths is
// forwarded to /http on the API port, at most four at a time.
func (s *Server) serveSite(w http.ResponseWriter, r *http.Request) {
	rec := newRecorder(w, r, "site")
	defer s.record(rec)
	switch r.URL.Path {
	case "/version":
		protocol.WriteText(rec, http.StatusOK, UnknownVersion)
		return
	case "/metrics":
		s.answer(rec, rec, r, route{handle: s.handleMetrics})
		return
	}
	if err := protocol.CheckClient(r, socketVersion(r)); err != nil {
		protocol.WriteFailure(rec, err)
		return
	}
	s.limited(s.sitePermits, rec, r, func(w http.ResponseWriter, r *http.Request) {
		methods := strings.Fields(httpActionMethods)
		if !slices.Contains(methods, r.Method) && r.Method != http.MethodHead {
			writeNoRoute(w, append(methods, http.MethodHead))
			return
		}
		s.forwardSite(w, r)
	})
}

// forwardSite sends a request on to the API port, on loopback whatever interface
// that listens on, as the backend does.
func (s *Server) forwardSite(w http.ResponseWriter, r *http.Request) {
	target := &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", s.options.Port), Path: httpPrefix}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(target)
			request.Out.Host = request.In.Host
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, ok := request.In.Header[name]; ok {
					request.Out.Header[name] = values
				}
			}
		},
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			s.log.Warn("cannot forward a request of the site port", "path", r.URL.Path, "error", err)
			protocol.WriteFailure(w, protocol.InternalError())
		},
	}
	proxy.ServeHTTP(w, r)
}
