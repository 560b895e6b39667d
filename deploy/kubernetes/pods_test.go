package kubernetes_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// checkPod holds every pod to what docs/orchestrators.md promises.
func checkPod(t *testing.T, o object) {
	t.Helper()
	name, pod := o.String(), o.pod.Spec
	asRoot := pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot
	if pod.TerminationGracePeriodSeconds == nil || asRoot != (o.GetName() == stack.Crawler) || pod.SecurityContext.SeccompProfile == nil || *pod.AutomountServiceAccountToken {
		t.Errorf("%s: no grace period, or more rights than it needs", name)
	}
	if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		t.Errorf("%s: a Service named db sets DB_PORT", name)
	}
	for _, c := range pod.Containers {
		checkGrace(t, name, pod, c)
		checkProbes(t, name, c)
		checkRoom(t, name, pod, c)
		checkPorts(t, name, c)
		// One pushes, and the replicas serve.
		if want := map[string]string{"push": "push", stack.Platform: "serve"}[c.Name]; strings.Join(c.Args, " ") != want {
			t.Errorf("%s: container %s is started with %q, not with %q", name, c.Name, c.Args, want)
		}
		s := c.SecurityContext
		if writes := s.ReadOnlyRootFilesystem == nil; writes != asRoot || *s.AllowPrivilegeEscalation || len(s.Capabilities.Drop) != 1 {
			t.Errorf("%s: container %s is not locked down", name, c.Name)
		}
	}
	checkReplicas(t, o)
	checkStart(t, o)
}

// checkReplicas sees that there is one writer, and that what is more than one is not in one place.
func checkReplicas(t *testing.T, o object) {
	t.Helper()
	switch workload := o.value.(type) {
	case *appsv1.StatefulSet:
		s := workload.Spec
		if *s.Replicas != 1 || s.PodManagementPolicy != appsv1.ParallelPodManagement {
			t.Errorf("%s: one writer, whose bad release the next one can replace, not %d %s", o, *s.Replicas, s.PodManagementPolicy)
		}
	case *appsv1.Deployment:
		if python(o.GetName()) {
			checkBesideConvex(t, o, *workload.Spec.Replicas)
			return
		}
		checkRollout(t, o, workload.Spec)
		var over []string
		for _, spread := range o.pod.Spec.TopologySpreadConstraints {
			if spread.WhenUnsatisfiable == corev1.ScheduleAnyway { // one node is enough
				over = append(over, spread.TopologyKey)
			}
		}
		// A node that lacks one of the keys takes part in no soft constraint at all, and every node
		// has a name only.
		if !slices.Equal(over, []string{corev1.LabelHostname}) {
			t.Errorf("%s: spread over %v", o, over)
		}
		apart := o.pod.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
		if len(apart) != 1 || apart[0].PodAffinityTerm.TopologyKey != corev1.LabelTopologyZone || !maps.Equal(apart[0].PodAffinityTerm.LabelSelector.MatchLabels, workload.Spec.Selector.MatchLabels) {
			t.Errorf("%s: zones: %+v", o, apart)
		}
	}
}

// python reports whether a workload is one of the component python.
func python(name string) bool { return name == stack.RAG || name == stack.Crawler }

// checkBesideConvex sees that there is one, on the node whose volume it reads.
func checkBesideConvex(t *testing.T, o object, replicas int32) {
	t.Helper()
	beside := o.pod.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if replicas != 1 || len(beside) != 1 || beside[0].TopologyKey != corev1.LabelHostname || beside[0].LabelSelector.MatchLabels["app"] != stack.Convex {
		t.Errorf("%s: %d pods at %+v", o, replicas, beside)
	}
	checkMounts(t, o)
}

// checkMounts compares the volumes with the stack's: where each is, and what is not written.
func checkMounts(t *testing.T, o object) {
	t.Helper()
	for _, want := range serviceOf(t, o.GetName()).Mounts {
		if !slices.ContainsFunc(o.pod.Spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool {
			claimed := slices.ContainsFunc(o.pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name && v.PersistentVolumeClaim != nil })
			return m.MountPath == want.Path && m.ReadOnly == want.ReadOnly && claimed
		}) {
			t.Errorf("%s: %s of the stack is not at %s", o, want.Volume, want.Path)
		}
	}
}

// checkRollout sees that no pod goes before the one that takes its place is ready and, of the
// platform's, known to the proxies, which may have names in a cache that was filled just before.
func checkRollout(t *testing.T, o object, d appsv1.DeploymentSpec) {
	t.Helper()
	const kept = 30 // seconds, by many clusters
	if o.GetName() == stack.Platform && d.MinReadySeconds <= kept {
		t.Errorf("%s: old pods go %d s after a new one is ready, but names are kept for %d s", o, d.MinReadySeconds, kept)
	}
	if d.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return // for a volume that one pod can have: see TestLetsEncrypt
	}
	if r := d.Strategy.RollingUpdate; r == nil || r.MaxUnavailable == nil || r.MaxUnavailable.String() != "0" {
		t.Errorf("%s: a rollout takes pods away before there are others: %+v", o, r)
	}
}

// checkRoom sees that a container cannot take what the node's other pods need, and is
// given the secret of its role alone.
func checkRoom(t *testing.T, name string, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	r := c.Resources
	if r.Requests.Cpu().IsZero() || r.Requests.Memory().IsZero() || r.Limits.Memory().Cmp(*r.Requests.Memory()) < 0 || r.Requests.StorageEphemeral().IsZero() {
		t.Errorf("%s: container %s has the resources %+v", name, c.Name, r)
	}
	var onDisk, inMemory resource.Quantity
	for _, v := range pod.Volumes {
		switch {
		case v.EmptyDir == nil:
		case v.EmptyDir.SizeLimit == nil:
			t.Errorf("%s: the volume %s has no limit", name, v.Name)
		case v.EmptyDir.Medium == corev1.StorageMediumMemory:
			inMemory.Add(*v.EmptyDir.SizeLimit)
		default:
			onDisk.Add(*v.EmptyDir.SizeLimit)
		}
	}
	inMemory.Add(*r.Requests.Memory())
	if onDisk.Cmp(*r.Limits.StorageEphemeral()) > 0 || inMemory.Cmp(*r.Limits.Memory()) > 0 {
		t.Errorf("%s: volumes of %s on disk, %s with those in memory, but the limits are %v", name, onDisk.String(), inMemory.String(), r.Limits)
	}
	checkAssets(t, name, pod, c)
	for _, from := range c.EnvFrom {
		if role := from.SecretRef; role != nil && role.Name != c.Name && !strings.HasPrefix(role.Name, c.Name+"-") {
			t.Errorf("%s: container %s gets the secret %s", name, c.Name, from.SecretRef.Name)
		}
	}
}

// checkAssets compares the proxy's folder with what it keeps there: a pod with more is evicted.
func checkAssets(t *testing.T, name string, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	if c.Name != "proxy" {
		return
	}
	const certificates = 64 << 20
	kept := resource.MustParse(strings.TrimSuffix(defaultOf(t, proxy.Settings{}, "ASSETS_CACHE"), "B"))
	for _, v := range pod.Volumes {
		if v.Name == "data" && v.EmptyDir != nil && v.EmptyDir.SizeLimit.Value() < kept.Value()+certificates {
			t.Errorf("%s: it keeps %s in %s", name, kept.String(), v.EmptyDir.SizeLimit)
		}
	}
}

// defaultOf returns the default of a variable.
func defaultOf(t *testing.T, settings any, variable string) string {
	t.Helper()
	for _, v := range config.Describe(settings) {
		if v.Name == variable {
			return v.Default
		}
	}
	t.Fatalf("there is no %s", variable)
	return ""
}

// checkStart compares with the longest push, for which a platform pod waits, and with the
// longest wait of convex that is not a migration: for Postgres, then for the backend.
func checkStart(t *testing.T, o object) {
	t.Helper()
	probe := o.pod.Spec.Containers[0].StartupProbe
	if probe == nil {
		return
	}
	allowed := time.Duration(probe.PeriodSeconds*probe.FailureThreshold) * time.Second
	var needs time.Duration
	switch o.pod.Spec.Containers[0].Name {
	case "platform":
		settings, err := platform.Load(config.Environ{})
		if needs = settings.Deploy.Max; needs == 0 {
			t.Fatal(err)
		}
		deployment := o.value.(*appsv1.Deployment).Spec
		if deadline := time.Duration(*deployment.ProgressDeadlineSeconds) * time.Second; deadline < allowed+time.Duration(deployment.MinReadySeconds)*time.Second {
			t.Errorf("%s: rollout status gives up after %s, but a pod may take %s to start", o, deadline, allowed)
		}
	case "convex":
		seconds, err := strconv.Atoi(defaultOf(t, convex.Settings{}, "CONVEX_WAIT_TIMEOUT"))
		if err != nil {
			t.Fatal(err)
		}
		const migration = time.Hour
		needs = 2*time.Duration(seconds)*time.Second + migration
	}
	if allowed < needs {
		t.Errorf("%s: %s to start, but that may take %s", o, allowed, needs)
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
	} else if c.Name == stack.Proxy || c.Name == stack.Convex {
		t.Errorf("%s: the nodes do not know yet that a pod ends when it has ended: preStop has it wait", name)
	}
	settings, names := stopSettings(c.Name)
	for _, variable := range names {
		seconds, err := strconv.ParseInt(defaultOf(t, settings, variable), 10, 64)
		if err != nil {
			t.Fatalf("%s: the default of %s is no number of seconds: %v", c.Name, variable, err)
		}
		needs += seconds
	}
	const room = 5
	if grace := *pod.TerminationGracePeriodSeconds; grace < needs+room {
		t.Errorf("%s: %d s to stop, but a stop may take %d s", name, grace, needs)
	}
}

// probePaths returns where a container says that it has started, that it lives and that it is
// ready. What it needs and does not find is no reason to kill it, and is one to send it no visitors.
func probePaths(container string) [3]string {
	switch {
	case container == stack.Proxy:
		const ready = stack.ProxyHealthPath + "?ready"
		return [3]string{ready + "&upstreams=10s", stack.ProxyHealthPath, ready}
	case python(container): // they have one answer
		return [3]string{"/health", "/health", "/health"}
	}
	return [3]string{"/startupz", "/livez", "/readyz"}
}

// checkProbes sees that probes ask a port that the container has, and that a busy node kills none.
func checkProbes(t *testing.T, name string, c corev1.Container) {
	t.Helper()
	for i, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if probe == nil {
			if len(c.Ports) > 0 {
				t.Errorf("%s: container %s lacks a probe", name, c.Name)
			}
			continue
		}
		if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.StrVal }) {
			t.Errorf("%s: a probe asks the port %s, which %s does not have", name, probe.HTTPGet.Port.StrVal, c.Name)
		}
		if want := probePaths(c.Name)[i]; probe.HTTPGet.Path != want {
			t.Errorf("%s: container %s is asked at %s, not at %s", name, c.Name, probe.HTTPGet.Path, want)
		}
	}
	if alive := c.LivenessProbe; alive != nil && time.Duration(alive.TimeoutSeconds)*time.Second < 5*time.Second {
		t.Errorf("%s: container %s is killed when it is slow for %d s", name, c.Name, alive.TimeoutSeconds)
	}
}
