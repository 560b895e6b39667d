package kubernetes_test

import (
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
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
		checkRetries(t, name, object.Spec)
	}
}

// checkRetries sees that a push is tried as often as docs/orchestrators.md says, each time in a
// pod whose log stays, and one that no other try would mend only once.
func checkRetries(t *testing.T, name string, job batchv1.JobSpec) {
	t.Helper()
	if job.BackoffLimit == nil || *job.BackoffLimit != 3 || job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("%s: it is not tried three times more, or not in other pods", name)
	}
	var final []int32
	for _, code := range []int{exit.Usage, exit.DeployRefused, exit.Unavailable, exit.Temporary, exit.NoPermission, exit.Config} {
		if !report.New(code, "", "", "").Retryable {
			final = append(final, int32(code))
		}
	}
	if policy := job.PodFailurePolicy; policy == nil || len(policy.Rules) != 1 || policy.Rules[0].Action != batchv1.PodFailurePolicyActionFailJob ||
		policy.Rules[0].OnExitCodes.Operator != batchv1.PodFailurePolicyOnExitCodesOpIn || !slices.Equal(policy.Rules[0].OnExitCodes.Values, final) {
		t.Errorf("%s: it is to end at once with the exit codes %v: %+v", name, final, policy)
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
