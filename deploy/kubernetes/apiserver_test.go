package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// apiServer keeps objects as a Kubernetes API server does, as far as helm asks it: an apply
// replaces, and the template of a Job cannot be changed. No controller looks at them.
type apiServer struct {
	t       *testing.T
	decoder runtime.Decoder
	lock    sync.Mutex
	objects map[string]map[string]any // by path
}

// startAPIServer returns one, and the kubeconfig that leads to it.
func startAPIServer(t *testing.T) (*apiServer, string) {
	t.Helper()
	s := &apiServer{t: t, decoder: serializer.NewCodecFactory(kinds(t)).UniversalDeserializer(), objects: discovery()}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	config := filepath.Join(t.TempDir(), "config")
	content := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],"clusters":[{"name":"c","cluster":{"server":%q}}],"users":[{"name":"u","user":{}}]}`, server.URL)
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, config
}

// discovery returns what an API server says of itself, with the kinds that the chart makes.
func discovery() map[string]map[string]any {
	var groups []any
	found := map[string]map[string]any{
		"/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
		"/api":     {"kind": "APIVersions", "versions": []string{"v1"}},
	}
	for version, kinds := range map[string][]string{
		"v1": {"ConfigMap", "Secret", "Service"}, "apps/v1": {"Deployment", "StatefulSet"}, "batch/v1": {"Job"},
		"networking.k8s.io/v1": {"NetworkPolicy"}, "policy/v1": {"PodDisruptionBudget"}, "autoscaling/v2": {"HorizontalPodAutoscaler"},
	} {
		var resources []any
		for _, kind := range kinds {
			resources = append(resources, map[string]any{"name": plural(kind), "namespaced": true, "kind": kind, "verbs": []string{"get"}})
		}
		at := "/api/"
		if group, number, ok := strings.Cut(version, "/"); ok {
			at = "/apis/"
			groups = append(groups, map[string]any{"name": group, "versions": []any{map[string]any{"groupVersion": version, "version": number}}})
		}
		found[at+version] = map[string]any{"kind": "APIResourceList", "groupVersion": version, "resources": resources}
	}
	found["/apis"] = map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
	return found
}

func plural(kind string) string { return strings.ToLower(kind) + "s" }

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.lock.Lock()
	defer s.lock.Unlock()
	body, _ := io.ReadAll(r.Body)
	switch r.Method {
	case http.MethodGet:
		s.get(w, r.URL)
	case http.MethodDelete:
		gone := s.objects[r.URL.Path]
		delete(s.objects, r.URL.Path)
		s.answer(w, http.StatusOK, gone)
	case http.MethodPost:
		sent := s.read(body)
		s.put(w, path.Join(r.URL.Path, sent["metadata"].(map[string]any)["name"].(string)), sent)
	default: // an apply, or a replacement
		s.put(w, r.URL.Path, s.read(body))
	}
}

// read returns what was sent, in whichever of the API's formats.
func (s *apiServer) read(body []byte) (object map[string]any) {
	sent, kind, err := s.decoder.Decode(body, nil, nil)
	if err != nil {
		s.t.Errorf("helm sends %q: %v", body, err)
		return map[string]any{"metadata": map[string]any{"name": "unknown"}}
	}
	sent.GetObjectKind().SetGroupVersionKind(*kind)
	_ = json.Unmarshal([]byte(text(s.t, sent)), &object)
	return object
}

func (s *apiServer) get(w http.ResponseWriter, at *url.URL) {
	if found, ok := s.objects[at.Path]; ok {
		s.answer(w, http.StatusOK, found)
		return
	}
	if !strings.HasSuffix(path.Dir(path.Dir(at.Path)), "/namespaces") {
		s.answer(w, http.StatusNotFound, nil)
		return
	}
	// A list, of which the fake needs that of releases only.
	wanted, _ := labels.Parse(at.Query().Get("labelSelector"))
	items := []any{}
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if path.Dir(name) == at.Path && wanted.Matches(labelsOf(s.objects[name])) {
			items = append(items, s.objects[name])
		}
	}
	s.answer(w, http.StatusOK, map[string]any{"kind": "SecretList", "apiVersion": "v1", "items": items})
}

func labelsOf(object map[string]any) labels.Set {
	set := labels.Set{}
	named, _ := object["metadata"].(map[string]any)["labels"].(map[string]any)
	for key, value := range named {
		set[key] = value.(string)
	}
	return set
}

func (s *apiServer) put(w http.ResponseWriter, at string, sent map[string]any) {
	if before, ok := s.objects[at]; ok && sent["kind"] == "Job" && !reflect.DeepEqual(before["spec"].(map[string]any)["template"], sent["spec"].(map[string]any)["template"]) {
		s.answer(w, http.StatusUnprocessableEntity, map[string]any{"kind": "Status", "status": "Failure", "reason": "Invalid", "message": "spec.template: field is immutable"})
		return
	}
	s.objects[at] = sent
	s.answer(w, http.StatusOK, sent)
}

func (s *apiServer) answer(w http.ResponseWriter, status int, object map[string]any) {
	if object == nil {
		object, status = map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": http.StatusNotFound}, http.StatusNotFound
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object)
}

// jobs returns the names of the Jobs that are there.
func (s *apiServer) jobs() (names []string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, at := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(at, "/apis/batch/v1/namespaces/") {
			names = append(names, path.Base(at))
		}
	}
	return names
}

// remove deletes an object, as a controller does.
func (s *apiServer) remove(at string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	delete(s.objects, at)
}

// replicas returns how many pods a Deployment is to have.
func (s *apiServer) replicas(at string) any {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.objects[at]["spec"].(map[string]any)["replicas"]
}

// scale changes how many pods a Deployment is to have, as an autoscaler does.
func (s *apiServer) scale(at string, replicas float64) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.objects[at]["spec"].(map[string]any)["replicas"] = replicas
}
