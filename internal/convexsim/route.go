package convexsim

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// handler answers one request, or returns the failure to answer with.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is a line of the table in routes.go. In a path, {name} stands for one
// segment and {*rest} for everything that follows: the backend's own patterns, which
// its metrics show.
//
// http.ServeMux would answer otherwise: it redirects a path that is not clean, which
// HTTP actions get as it was sent, its 404 and 405 have a body, and its patterns do
// not say which path did not match before the layers in front of the routes ran.
type route struct {
	method string
	path   string
	stage  string // the name faults and the request log know it by
	handle handler
}

// match reports whether the route's path is that of the request, and the value
// of its variable segment.
func (rt route) match(path string) (variable string, ok bool) {
	prefix, rest, variableRoute := strings.Cut(rt.path, "{")
	if !variableRoute {
		return "", path == rt.path
	}
	tail, ok := strings.CutPrefix(path, prefix)
	if !ok || tail == "" {
		return "", false
	}
	name, suffix, _ := strings.Cut(rest, "}")
	if strings.HasPrefix(name, "*") {
		return tail, true
	}
	variable, ok = strings.CutSuffix(tail, suffix)
	return variable, ok && variable != "" && !strings.Contains(variable, "/")
}

// accepts reports whether the route takes the method. As in the backend, GET
// also means HEAD.
func (rt route) accepts(method string) bool {
	return rt.method == method || rt.method == http.MethodGet && method == http.MethodHead
}

type pathVariableKey struct{}

// pathVariable returns the value of the matched route's variable segment.
func pathVariable(r *http.Request) string {
	variable, _ := r.Context().Value(pathVariableKey{}).(string)
	return variable
}

// find returns the route of a request, or the methods its path would take.
func find(routes []route, r *http.Request) (found route, request *http.Request, allowed []string) {
	for _, rt := range routes {
		variable, ok := rt.match(r.URL.Path)
		if !ok {
			continue
		}
		if rt.accepts(r.Method) {
			return rt, r.WithContext(context.WithValue(r.Context(), pathVariableKey{}, variable)), nil
		}
		allowed = append(allowed, rt.method)
		if rt.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	slices.Sort(allowed)
	return route{}, r, slices.Compact(allowed)
}

// writeNoRoute answers an unknown path or method: 404 or 405, both empty.
func writeNoRoute(w http.ResponseWriter, allowed []string) {
	status := http.StatusNotFound
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ","))
		status = http.StatusMethodNotAllowed
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}
