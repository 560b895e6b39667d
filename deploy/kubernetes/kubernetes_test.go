// Package kubernetes_test decodes the manifests strictly into the API's own
// types: a misspelt or misplaced field fails here and not at a user's.
package kubernetes_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/internal/stack"
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
			checkStack(t, file, object)
			checkPod(t, file, object)
		}
	}
	for _, kind := range []string{"StatefulSet", "Deployment", "Job", "Service", "ConfigMap", "PodDisruptionBudget"} {
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
	case "PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
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
	if pod.TerminationGracePeriodSeconds == nil || !*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile == nil || *pod.AutomountServiceAccountToken {
		t.Errorf("%s: no grace period, or more rights than it needs", file)
	}
	if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		t.Errorf("%s: a Service named db sets DB_PORT", file)
	}
	for _, c := range pod.Containers {
		checkGrace(t, file, pod, c)
		checkProbes(t, file, c)
		s := c.SecurityContext
		if !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || len(s.Capabilities.Drop) != 1 {
			t.Errorf("%s: container %s is not locked down", file, c.Name)
		}
	}
}

// checkStack compares names and ports with those by which the services find each
// other.
func checkStack(t *testing.T, file string, object any) {
	t.Helper()
	switch object := object.(type) {
	case *corev1.ConfigMap:
		known := slices.Concat(config.Describe(platform.Settings{}), config.Describe(convex.Settings{}), config.Describe(proxy.Settings{}))
		for name := range object.Data {
			if !slices.ContainsFunc(known, func(v config.Variable) bool { return v.Name == name }) {
				t.Errorf("%s: no service reads %s", file, name)
			}
		}
	case *corev1.Service:
		i := slices.IndexFunc(stack.Services(), func(s stack.Service) bool { return s.Name == object.Name })
		if i < 0 {
			t.Errorf("%s: there is no service %s", file, object.Name)
			return
		}
		for _, port := range object.Spec.Ports {
			if service := stack.Services()[i]; !slices.Contains(service.Ports, int(port.Port)) && !slices.Contains(service.Publish, strconv.Itoa(int(port.Port))) {
				t.Errorf("%s: %s has no port %d", file, object.Name, port.Port)
			}
		}
	}
}

// stopSettings returns what the stop of each container takes, one after the other.
func stopSettings(container string) (settings any, names []string) {
	switch container {
	case "platform":
		return platform.Settings{}, []string{"SHUTDOWN_DRAIN_SECONDS", "SHUTDOWN_TIMEOUT_SECONDS"}
	case "convex":
		return convex.Settings{}, []string{"SHUTDOWN_TIMEOUT_SECONDS", "SHUTDOWN_GRACE_SECONDS"}
	case "proxy":
		return proxy.Settings{}, []string{"SHUTDOWN_GRACE_SECONDS"}
	}
	return struct{}{}, nil // a push stops at once
}

// checkGrace compares with what a stop takes at most: a pod that is killed
// before that loses requests.
func checkGrace(t *testing.T, file string, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	var needs int64
	if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
		needs = c.Lifecycle.PreStop.Sleep.Seconds
	}
	settings, names := stopSettings(c.Name)
	found := 0
	for _, v := range config.Describe(settings) {
		if !slices.Contains(names, v.Name) {
			continue
		}
		seconds, err := strconv.ParseInt(v.Default, 10, 64)
		if err != nil {
			t.Fatalf("%s: the default of %s is no number of seconds: %v", c.Name, v.Name, err)
		}
		needs += seconds
		found++
	}
	const room = 5
	if grace := *pod.TerminationGracePeriodSeconds; grace < needs+room {
		t.Errorf("%s: %d s to stop, but a stop may take %d s", file, grace, needs)
	}
	if found != len(names) {
		t.Errorf("%s: %s has %d of %v", file, c.Name, found, names)
	}
}

// checkProbes sees that probes ask a port that the container has.
func checkProbes(t *testing.T, file string, c corev1.Container) {
	t.Helper()
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if probe == nil {
			if len(c.Ports) > 0 {
				t.Errorf("%s: container %s lacks a probe", file, c.Name)
			}
			continue
		}
		if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.StrVal }) {
			t.Errorf("%s: a probe asks the port %s, which %s does not have", file, probe.HTTPGet.Port.StrVal, c.Name)
		}
	}
}
