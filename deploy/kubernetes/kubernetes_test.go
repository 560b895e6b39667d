// Package kubernetes_test decodes the manifests strictly into the API's own
// types: a misspelt or misplaced field fails here and not at a user's.
package kubernetes_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Both the base and a site on top of it are looked at as kubectl apply -k renders them.
func TestManifestsAreOfTheAPI(t *testing.T) {
	for _, folder := range []string{"base", "site"} {
		t.Run(folder, func(t *testing.T) {
			seen := map[string]int{}
			for _, r := range render(t, folder) {
				data, err := r.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				object := objectOf(r.GetKind())
				if object == nil {
					t.Fatalf("unknown kind %q", r.GetKind())
				}
				name := r.GetKind() + " " + r.GetName()
				// As the API server does, which knows capital letters from small ones.
				if strict, err := json.UnmarshalStrict(data, object); err != nil || len(strict) > 0 {
					t.Errorf("%s: %v %v", name, err, strict)
				}
				seen[r.GetKind()]++
				checkStack(t, name, object)
				checkPod(t, name, object)
				checkUpkeep(t, name, object)
			}
			for _, kind := range []string{"StatefulSet", "Deployment", "Job", "Service", "ConfigMap", "Namespace", "NetworkPolicy", "PodDisruptionBudget"} {
				if seen[kind] == 0 {
					t.Errorf("there is no %s", kind)
				}
			}
		})
	}
}

// render returns the objects of a folder's kustomization, the site's with the files of
// secrets beside it.
func render(t *testing.T, folder string) []*resource.Resource {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"base", "site"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, role := range roles {
		if err := os.WriteFile(filepath.Join(dir, "site", role+".env"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, folder))
	if err != nil {
		t.Fatal(err)
	}
	return rendered.Resources()
}

// roles are the containers; each has a secret of that name.
var roles = []string{"convex", "push", "platform", "proxy"}

func objectOf(kind string) any {
	switch kind {
	case "ConfigMap":
		return &corev1.ConfigMap{}
	case "Secret":
		return &corev1.Secret{}
	case "Namespace":
		return &corev1.Namespace{}
	case "NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
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
func checkPod(t *testing.T, name string, object any) {
	t.Helper()
	var pod corev1.PodSpec
	switch object := object.(type) {
	case *appsv1.StatefulSet:
		if *object.Spec.Replicas != 1 {
			t.Errorf("%s: convex has one writer, not %d", name, *object.Spec.Replicas)
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
		t.Errorf("%s: no grace period, or more rights than it needs", name)
	}
	if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		t.Errorf("%s: a Service named db sets DB_PORT", name)
	}
	for _, c := range pod.Containers {
		checkGrace(t, name, pod, c)
		checkProbes(t, name, c)
		checkRoom(t, name, pod, c)
		checkStart(t, name, c)
		s := c.SecurityContext
		if !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || len(s.Capabilities.Drop) != 1 {
			t.Errorf("%s: container %s is not locked down", name, c.Name)
		}
	}
}

// checkStack compares names and ports with those by which the services find each
// other.
func checkStack(t *testing.T, name string, object any) {
	t.Helper()
	switch object := object.(type) {
	case *corev1.ConfigMap:
		known := slices.Concat(config.Describe(platform.Settings{}), config.Describe(convex.Settings{}), config.Describe(proxy.Settings{}))
		for variable := range object.Data {
			if !slices.ContainsFunc(known, func(v config.Variable) bool { return v.Name == variable }) {
				t.Errorf("%s: no service reads %s", name, variable)
			}
		}
	case *corev1.Secret:
		if role, _, _ := strings.Cut(object.Name, "-"); !slices.Contains(roles, role) {
			t.Errorf("%s: no container is given it", name)
		}
	case *corev1.Service:
		i := slices.IndexFunc(stack.Services(), func(s stack.Service) bool { return s.Name == object.Name })
		if i < 0 {
			t.Errorf("%s: there is no service %s", name, object.Name)
			return
		}
		for _, port := range object.Spec.Ports {
			if service := stack.Services()[i]; !slices.Contains(service.Ports, int(port.Port)) && !slices.Contains(service.Publish, strconv.Itoa(int(port.Port))) {
				t.Errorf("%s: %s has no port %d", name, object.Name, port.Port)
			}
		}
	}
}

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

// checkRoom sees that a container cannot take what the node's other pods need, and is
// given the secret of its role alone.
func checkRoom(t *testing.T, name string, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	r := c.Resources
	if r.Requests.Cpu().IsZero() || r.Requests.Memory().IsZero() || r.Limits.Memory().Cmp(*r.Requests.Memory()) < 0 {
		t.Errorf("%s: container %s has the resources %+v", name, c.Name, r)
	}
	for _, v := range pod.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil {
			t.Errorf("%s: the volume %s has no limit", name, v.Name)
		}
	}
	for _, from := range c.EnvFrom {
		if role := from.SecretRef; role != nil && role.Name != c.Name && !strings.HasPrefix(role.Name, c.Name+"-") {
			t.Errorf("%s: container %s gets the secret %s", name, c.Name, from.SecretRef.Name)
		}
	}
}

// checkStart compares with the longest push, for which a platform pod waits.
func checkStart(t *testing.T, name string, c corev1.Container) {
	t.Helper()
	if c.Name != "platform" {
		return
	}
	settings, err := platform.Load(config.Environ{})
	if settings.Deploy.Max == 0 {
		t.Fatal(err)
	}
	if allowed := time.Duration(c.StartupProbe.PeriodSeconds*c.StartupProbe.FailureThreshold) * time.Second; allowed < settings.Deploy.Max {
		t.Errorf("%s: %s to start, but a push may take %s", name, allowed, settings.Deploy.Max)
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
func checkGrace(t *testing.T, name string, pod corev1.PodSpec, c corev1.Container) {
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
		t.Errorf("%s: %d s to stop, but a stop may take %d s", name, grace, needs)
	}
	if found != len(names) {
		t.Errorf("%s: %s has %d of %v", name, c.Name, found, names)
	}
}

// checkProbes sees that probes ask a port that the container has.
func checkProbes(t *testing.T, name string, c corev1.Container) {
	t.Helper()
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if probe == nil {
			if len(c.Ports) > 0 {
				t.Errorf("%s: container %s lacks a probe", name, c.Name)
			}
			continue
		}
		if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.StrVal }) {
			t.Errorf("%s: a probe asks the port %s, which %s does not have", name, probe.HTTPGet.Port.StrVal, c.Name)
		}
	}
}
