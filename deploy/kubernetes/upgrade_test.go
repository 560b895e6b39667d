package kubernetes_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
)

// discovery answers what an API server has, of the kinds that the chart makes.
func discovery() map[string]string {
	var groups []string
	answers := map[string]string{
		"/version": `{"major":"1","minor":"37","gitVersion":"v1.37.0"}`,
		"/api":     `{"kind":"APIVersions","versions":["v1"]}`,
	}
	for version, kinds := range map[string][]string{
		"v1": {"ConfigMap", "Service"}, "apps/v1": {"Deployment", "StatefulSet"}, "batch/v1": {"Job"},
		"networking.k8s.io/v1": {"NetworkPolicy"}, "policy/v1": {"PodDisruptionBudget"}, "autoscaling/v2": {"HorizontalPodAutoscaler"},
	} {
		var resources []string
		for _, kind := range kinds {
			resources = append(resources, fmt.Sprintf(`{"name":"%ss","namespaced":true,"kind":%q,"verbs":["get"]}`, strings.ToLower(kind), kind))
		}
		path := "/api/"
		if group, number, ok := strings.Cut(version, "/"); ok {
			path = "/apis/"
			groups = append(groups, fmt.Sprintf(`{"name":%q,"versions":[{"groupVersion":%q,"version":%q}]}`, group, version, number))
		}
		answers[path+version] = fmt.Sprintf(`{"kind":"APIResourceList","groupVersion":%q,"resources":[%s]}`, version, strings.Join(resources, ","))
	}
	answers["/apis"] = fmt.Sprintf(`{"kind":"APIGroupList","apiVersion":"v1","groups":[%s]}`, strings.Join(groups, ","))
	return answers
}

// cluster returns the kubeconfig of an API server that has one Deployment, with six pods.
func cluster(t *testing.T) string {
	t.Helper()
	answers := discovery()
	answers["/apis/apps/v1/namespaces/tale/deployments/platform"] = `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"platform","namespace":"tale"},"spec":{"replicas":6}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	config := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],"clusters":[{"name":"c","cluster":{"server":%q}}],"users":[{"name":"u","user":{}}]}`, server.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// What the autoscaler has made of the number of pods outlives an upgrade, and the one that
// brings the autoscaler.
func TestChartKeepsReplicas(t *testing.T) {
	h := compileHelm(t)
	inCluster := []string{"--dry-run=server", "--is-upgrade", "--disable-openapi-validation", "--kubeconfig", cluster(t)}
	for values, want := range map[string]int32{"autoscale.enabled=true": 6, "platform.replicas=4": 4} {
		all := h.template(t, append(inCluster, "--set", values)...)
		if replicas := find[*appsv1.Deployment](t, all, "Deployment", "platform").Spec.Replicas; replicas == nil || *replicas != want {
			t.Errorf("%s: not %d pods: %v", values, want, replicas)
		}
	}
}

// helm --wait ends only while the Job is there, and waits for the platform's pods meanwhile.
func TestChartKeepsThePush(t *testing.T) {
	all := compileHelm(t).template(t)
	push := find[*batchv1.Job](t, all, "Job", all.jobs()[0]).Spec
	if waits := *find[*appsv1.Deployment](t, all, "Deployment", "platform").Spec.ProgressDeadlineSeconds; *push.TTLSecondsAfterFinished <= waits {
		t.Errorf("the push is removed after %d s, a rollout may take %d s", *push.TTLSecondsAfterFinished, waits)
	}
}
