// Package kubernetes_test decodes the manifests strictly into the API's own
// types: a misspelt or misplaced field fails here and not at a user's.
package kubernetes_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func TestManifestsAreOfTheAPI(t *testing.T) {
	seen := map[string]int{}
	for _, file := range manifests(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
			var kind struct{ Kind string }
			if err := yaml.Unmarshal(document, &kind); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			object := objectOf(kind.Kind)
			if object == nil {
				t.Fatalf("%s: unknown kind %q", file, kind.Kind)
			}
			if err := yaml.UnmarshalStrict(document, object); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			seen[kind.Kind]++
			checkPod(t, file, object)
		}
	}
	for _, kind := range []string{"StatefulSet", "Deployment", "Job", "Service", "ConfigMap"} {
		if seen[kind] == 0 {
			t.Errorf("no %s in the manifests", kind)
		}
	}
}

func manifests(t *testing.T) []string {
	t.Helper()
	var kustomization struct{ Resources []string }
	data, err := os.ReadFile("kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &kustomization); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) != len(kustomization.Resources)+1 {
		t.Errorf("the kustomization lists %d of the files %v", len(kustomization.Resources), files)
	}
	return kustomization.Resources
}

func objectOf(kind string) any {
	switch kind {
	case "ConfigMap":
		return &corev1.ConfigMap{}
	case "Service":
		return &corev1.Service{}
	case "StatefulSet":
		return &appsv1.StatefulSet{}
	case "Deployment":
		return &appsv1.Deployment{}
	case "Job":
		return &batchv1.Job{}
	}
	return nil
}

// checkPod holds every pod to what docs/orchestrators.md promises.
func checkPod(t *testing.T, file string, object any) {
	t.Helper()
	var pod corev1.PodSpec
	switch object := object.(type) {
	case *appsv1.StatefulSet:
		if *object.Spec.Replicas != 1 {
			t.Errorf("%s: convex has one writer, not %d", file, *object.Spec.Replicas)
		}
		pod = object.Spec.Template.Spec
	case *appsv1.Deployment:
		pod = object.Spec.Template.Spec
	case *batchv1.Job:
		pod = object.Spec.Template.Spec
	default:
		return
	}
	if pod.TerminationGracePeriodSeconds == nil || !*pod.SecurityContext.RunAsNonRoot {
		t.Errorf("%s: no grace period, or may run as root", file)
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		if !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || len(s.Capabilities.Drop) != 1 {
			t.Errorf("%s: container %s is not locked down", file, c.Name)
		}
	}
}
