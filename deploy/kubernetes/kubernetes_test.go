// Package kubernetes_test decodes the manifests strictly into the API's own
// types: a misspelt or misplaced field fails here and not at a user's.
package kubernetes_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Both the base and a site on top of it are looked at as kubectl apply -k renders them.
func TestManifestsAreOfTheAPI(t *testing.T) {
	for _, folder := range []string{"base", "site"} {
		t.Run(folder, func(t *testing.T) {
			all := render(t, folder)
			check(t, all)
			for _, kind := range []string{"StatefulSet", "Deployment", "Job", "Service", "ConfigMap", "Namespace", "NetworkPolicy", "PodDisruptionBudget"} {
				if !all.has(kind) {
					t.Errorf("there is no %s", kind)
				}
			}
			if level := find[*corev1.Namespace](t, all, "Namespace", "tale").Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
				t.Errorf("pods may have more rights than ours need: %q", level)
			}
		})
	}
}

// check holds manifests to all that docs/orchestrators.md promises.
func check(t *testing.T, all manifests) {
	t.Helper()
	for _, o := range all {
		checkLabels(t, o)
		checkStack(t, o.String(), o.value)
		checkUpkeep(t, o.String(), o.value)
		if o.pod != nil {
			checkPod(t, o)
		}
	}
}

// object is one that the API server would be sent.
type object struct {
	metav1.Object
	kind  string
	value runtime.Object
	pod   *corev1.PodTemplateSpec // of those that make pods
}

func (o object) String() string { return o.kind + " " + o.GetName() }

type manifests []object

func (m manifests) has(kind string) bool {
	for _, o := range m {
		if o.kind == kind {
			return true
		}
	}
	return false
}

// pods returns those that make pods.
func (m manifests) pods() (found manifests) {
	for _, o := range m {
		if o.pod != nil {
			found = append(found, o)
		}
	}
	return found
}

// render returns the objects of a folder's kustomization, the site's with the files beside it
// that docs/orchestrators.md names.
func render(t *testing.T, folder string, components ...string) manifests {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	for _, role := range roles {
		if err := os.WriteFile(filepath.Join(dir, "site", role+".env"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	choose(t, filepath.Join(dir, "site"), components)
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, folder))
	if err != nil {
		t.Fatal(err)
	}
	var all manifests
	for _, r := range rendered.Resources() {
		data, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		gvk := r.GetGvk()
		all = append(all, decode(t, schema.GroupVersionKind{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind}, data))
	}
	return all
}

// choose writes the components, and the files that they ask of it, into a site.
func choose(t *testing.T, site string, components []string) {
	t.Helper()
	name := filepath.Join(site, "kustomization.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var chosen []string
	for _, c := range components {
		chosen = append(chosen, "../components/"+c)
	}
	chosenText := strings.Replace(string(text), "components: []", "components: ["+strings.Join(chosen, ", ")+"]", 1)
	if chosenText == string(text) && len(chosen) > 0 {
		t.Fatal("the site has no list of components")
	}
	if slices.Contains(components, "external-database") {
		chosenText = strings.Replace(chosenText, "configMapGenerator:\n", "configMapGenerator:\n  - { name: database-ca, files: [ca.crt] }\n", 1)
	}
	if slices.Contains(components, "letsencrypt") {
		chosenText = strings.Replace(chosenText, "literals:\n", "literals:\n      - TLS_EMAIL=owner@example.com\n", 1)
	}
	if slices.Contains(components, "python") {
		chosenText = strings.Replace(chosenText, "secretGenerator:\n", "secretGenerator:\n  - { name: rag, envs: [rag.env] }\n  - { name: crawler, envs: [crawler.env] }\n", 1)
	}
	for file, content := range map[string]string{name: chosenText, filepath.Join(site, "ca.crt"): "certificate\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// decode reads as strictly as the API server does, which knows capital letters from small ones.
func decode(t *testing.T, kind schema.GroupVersionKind, data []byte) object {
	t.Helper()
	value, err := kinds(t).New(kind)
	if err != nil {
		t.Fatal(err)
	}
	strict, err := json.UnmarshalStrict(data, value)
	o := object{Object: value.(metav1.Object), kind: kind.Kind, value: value}
	if err != nil || len(strict) > 0 {
		t.Errorf("%s: %v %v", o, err, strict)
	}
	if spec := reflect.ValueOf(value).Elem().FieldByName("Spec"); spec.IsValid() {
		if template := spec.FieldByName("Template"); template.IsValid() {
			o.pod = template.Addr().Interface().(*corev1.PodTemplateSpec)
		}
	}
	return o
}

// kinds returns those of the API that the manifests may have.
func kinds(t *testing.T) *runtime.Scheme {
	t.Helper()
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, autoscalingv2.AddToScheme,
	} {
		if err := add(known); err != nil {
			t.Fatal(err)
		}
	}
	return known
}

// roles are the containers; each has a secret of that name.
var roles = []string{"convex", "push", "platform", "proxy", "rag", "crawler"}
