package kubernetes_test

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// checkUpkeep looks at what decides about a drain of a node and about old pushes.
func checkUpkeep(t *testing.T, name string, object any) {
	t.Helper()
	switch object := object.(type) {
	case *policyv1.PodDisruptionBudget:
		s := object.Spec
		if s.MinAvailable != nil || s.MaxUnavailable == nil || s.MaxUnavailable.IntVal < 1 || s.UnhealthyPodEvictionPolicy == nil || *s.UnhealthyPodEvictionPolicy != policyv1.AlwaysAllow {
			t.Errorf("%s: it can block a drain", name)
		}
	case *batchv1.Job:
		if object.Spec.TTLSecondsAfterFinished == nil {
			t.Errorf("%s: it stays for ever", name)
		}
		image := object.Spec.Template.Spec.Containers[0].Image
		if _, tag, _ := strings.Cut(image, ":"); object.Name != "push-"+tag {
			t.Errorf("%s: a second release would change it: its image is %s", name, image)
		}
	}
}

// checkLabels sees the labels that every tool of a cluster goes by.
func checkLabels(t *testing.T, o object) {
	t.Helper()
	for _, label := range []string{"name", "component", "instance", "part-of", "managed-by"} {
		if o.GetLabels()["app.kubernetes.io/"+label] == "" {
			t.Errorf("%s: no label %s", o, label)
		}
		if o.pod != nil && o.pod.Labels["app.kubernetes.io/"+label] == "" {
			t.Errorf("%s: no label %s of its pods", o, label)
		}
	}
}

// The version of what runs is a label of a site's pods: that of their image.
func TestVersions(t *testing.T) {
	for _, o := range render(t, "site", "python").pods() {
		_, tag, _ := strings.Cut(o.pod.Spec.Containers[0].Image, ":")
		if tag == "latest" {
			t.Errorf("%s: its image is not of the release", o)
		}
		if version := o.pod.Labels["app.kubernetes.io/version"]; version != tag || o.GetLabels()["app.kubernetes.io/version"] != tag {
			t.Errorf("%s: version %q of the image %s", o, version, tag)
		}
	}
}
