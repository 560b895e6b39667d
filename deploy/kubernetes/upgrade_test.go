package kubernetes_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
)

const (
	jobs        = "/apis/batch/v1/namespaces/tale/jobs/"
	deployments = "/apis/apps/v1/namespaces/tale/deployments/"
)

// do runs a command of helm about the cluster of the kubeconfig, which has to succeed.
func (h helm) do(t *testing.T, kubeconfig string, arguments ...string) {
	t.Helper()
	if printed, failure := h.run(t, append(arguments, "--kubeconfig", kubeconfig)...); failure != "" {
		t.Fatalf("helm %s: %s%s", arguments[0], failure, printed)
	}
}

// upgrade returns the arguments of an upgrade, or of an install, with more values than the site's.
func upgrade(more ...string) []string {
	return append([]string{"upgrade", "--install", "--disable-openapi-validation"}, site(more...)...)
}

// helm makes one Job for what is pushed, never changes it, and makes it again where it is gone.
func TestChartPushes(t *testing.T) {
	h := compileHelm(t)
	cluster, kubeconfig := startAPIServer(t)
	var before []string
	for _, step := range []struct {
		name    string
		does    func()
		another bool
	}{
		{"install", func() { h.do(t, kubeconfig, upgrade()...) }, true},
		{"nothing new", func() { h.do(t, kubeconfig, upgrade("--set", "platform.replicas=5")...) }, false},
		{"the cluster has removed it", func() { cluster.remove(jobs + before[0]); h.do(t, kubeconfig, upgrade()...) }, false},
		{"a setting", func() { h.do(t, kubeconfig, upgrade("--set", "settings.TALE_LOG_LEVEL=debug")...) }, true},
		{"a release", func() { h.do(t, kubeconfig, upgrade("--set-string", "images.tag=1.1.0")...) }, true},
		{"a roll back", func() { h.do(t, kubeconfig, "rollback", "tale", "4", "--namespace", "tale") }, true},
		{"and once more", func() { h.do(t, kubeconfig, "rollback", "tale", "5", "--namespace", "tale") }, true},
	} {
		step.does()
		now := cluster.jobs()
		if len(now) != 1 || slices.Equal(now, before) == step.another {
			t.Fatalf("%s: of %v become %v", step.name, before, now)
		}
		before = now
	}
	if !strings.HasPrefix(before[0], "push-1.1.0-") {
		t.Errorf("the last release is pushed by %s", before[0])
	}
}

// What the autoscaler has made of the number of pods outlives an upgrade, and the one that
// brings the autoscaler.
func TestChartKeepsReplicas(t *testing.T) {
	h := compileHelm(t)
	cluster, kubeconfig := startAPIServer(t)
	h.do(t, kubeconfig, upgrade()...)
	for _, want := range []float64{3, 6} {
		cluster.scale(deployments+"platform", want)
		h.do(t, kubeconfig, upgrade("--set", "autoscale.enabled=true")...)
		if replicas := cluster.replicas(deployments + "platform"); replicas != want {
			t.Errorf("%v pods, not %v: none is one", replicas, want)
		}
	}
	h.do(t, kubeconfig, upgrade("--set", "platform.replicas=4")...)
	if replicas := cluster.replicas(deployments + "platform"); replicas != 4.0 {
		t.Errorf("%v pods without the autoscaler", replicas)
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
