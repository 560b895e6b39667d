package kubernetes_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Every component alone, and every two that go together, make a site that holds to what the
// base does.
func TestComponents(t *testing.T) {
	for _, chosen := range choices(t) {
		t.Run(strings.Join(chosen, "+"), func(t *testing.T) {
			all := render(t, "site", chosen...)
			check(t, all)
			checkReferences(t, all)
			if len(all) < len(render(t, "site")) {
				t.Error("something is gone")
			}
		})
	}
}

// choices returns every component alone, and every two that go together.
func choices(t *testing.T) (all [][]string) {
	t.Helper()
	folders, err := os.ReadDir("components")
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range folders {
		for _, other := range folders[i:] {
			chosen := slices.Compact([]string{one.Name(), other.Name()})
			if !slices.Contains(apart, strings.Join(chosen, " ")) {
				all = append(all, chosen)
			}
		}
	}
	return all
}

// apart are those that do not go together: TLS ends in one place; the one contains the other;
// the volume of convex is one pod's or is read by three.
var apart = []string{"ingress letsencrypt", "autoscale autoscale-requests", "node-loss python"}

func TestSiteReferences(t *testing.T) { checkReferences(t, render(t, "site")) }

// find returns the one object of a kind and name.
func find[T any](t *testing.T, all manifests, kind, name string) T {
	t.Helper()
	for _, o := range all {
		if o.kind == kind && o.GetName() == name {
			return o.value.(T)
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	panic("unreachable")
}

func setting(all manifests, name string) string {
	for _, o := range all {
		if values, ok := o.value.(*corev1.ConfigMap); ok && strings.HasPrefix(values.Name, "tale-") {
			return values.Data[name]
		}
	}
	return ""
}

// The ingress has the site's host, by name and by certificate.
func TestIngressHost(t *testing.T) {
	all := render(t, "site", "ingress")
	spec := find[*networkingv1.Ingress](t, all, "Ingress", "tale").Spec
	if host := setting(all, "HOST"); spec.Rules[0].Host != host || spec.TLS[0].Hosts[0] != host || setting(all, "TLS_MODE") != "external" {
		t.Errorf("%+v for %s", spec, host)
	}
}

// One proxy keeps certificates, and visitors reach it by both ports.
func TestLetsEncrypt(t *testing.T) {
	all := render(t, "site", "letsencrypt")
	proxy := find[*appsv1.Deployment](t, all, "Deployment", "proxy").Spec
	if *proxy.Replicas != 1 || proxy.Strategy.Type != appsv1.RecreateDeploymentStrategyType || proxy.Strategy.RollingUpdate != nil || setting(all, "TLS_MODE") != "letsencrypt" {
		t.Errorf("%d proxies, replaced by %s, for one volume; TLS_MODE %s", *proxy.Replicas, proxy.Strategy.Type, setting(all, "TLS_MODE"))
	}
	if data := proxy.Template.Spec.Volumes[0]; data.Name != "data" || data.EmptyDir != nil || data.PersistentVolumeClaim == nil {
		t.Errorf("certificates are lost with the pod: %+v", data)
	}
	service := find[*corev1.Service](t, all, "Service", "proxy").Spec
	policies, pods := network(all)
	for _, port := range service.Ports {
		if port.TargetPort.StrVal != port.Name {
			t.Errorf("%+v", port)
		}
	}
	for _, port := range []int{8080, 8443} {
		if !allows(t, policies, address("203.0.113.7"), pods["proxy"], port) {
			t.Errorf("visitors do not reach port %d", port)
		}
	}
	if len(service.Ports) != 2 || !allows(t, policies, pods["proxy"], address("203.0.113.7"), 443) || allows(t, policies, pods["proxy"], address("10.0.0.1"), 443) {
		t.Errorf("ports %v, or the authority is out of reach, or more than it is open", service.Ports)
	}
}

// The autoscaler alone decides how many there are.
func TestAutoscale(t *testing.T) {
	for _, component := range []string{"autoscale", "autoscale-requests"} {
		all := render(t, "site", component)
		if platform := find[*appsv1.Deployment](t, all, "Deployment", "platform"); platform.Spec.Replicas != nil {
			t.Errorf("each apply sets %d replicas", *platform.Spec.Replicas)
		}
		scaler := find[*autoscalingv2.HorizontalPodAutoscaler](t, all, "HorizontalPodAutoscaler", "platform").Spec
		if want := 1 + strings.Count(component, "-"); len(scaler.Metrics) != want || *scaler.MinReplicas < 2 {
			t.Errorf("%s: %d metrics, at least %d pods", component, len(scaler.Metrics), *scaler.MinReplicas)
		}
	}
}

// The authority is a file where convex is told that it is.
func TestExternalDatabase(t *testing.T) {
	c := find[*appsv1.StatefulSet](t, render(t, "site", "external-database"), "StatefulSet", "convex").Spec.Template.Spec.Containers[0]
	mounted := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath+"/ca.crt" == c.Env[0].Value })
	if c.Env[0].Name != "PG_CA_FILE" || !slices.ContainsFunc(config.Describe(convex.Settings{}), func(v config.Variable) bool { return v.Name == c.Env[0].Name }) || !mounted {
		t.Errorf("%+v of %+v", c.Env, c.VolumeMounts)
	}
}

// All pods leave a node that is gone after the same time, and the volume is one pod's.
func TestNodeLoss(t *testing.T) {
	all := render(t, "site", "node-loss")
	for _, o := range all.pods() {
		for _, tolerated := range o.pod.Spec.Tolerations {
			if *tolerated.TolerationSeconds >= 300 {
				t.Errorf("%s: %+v", o, tolerated)
			}
		}
		if o.kind != "Job" && len(o.pod.Spec.Tolerations) != 2 {
			t.Errorf("%s: %+v", o, o.pod.Spec.Tolerations)
		}
	}
	if modes := find[*appsv1.StatefulSet](t, all, "StatefulSet", "convex").Spec.VolumeClaimTemplates[0].Spec.AccessModes; !slices.Equal(modes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}) {
		t.Errorf("the volume is open to %v", modes)
	}
}

// What reads the volume of convex and convex itself look for each other.
func TestPython(t *testing.T) {
	all := render(t, "site", "python")
	terms := find[*appsv1.StatefulSet](t, all, "StatefulSet", "convex").Spec.Template.Spec.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	for _, o := range all.pods() {
		if python(o.GetName()) && !selects(t, terms[0].PodAffinityTerm.LabelSelector, o.pod.Labels) {
			t.Errorf("convex may leave %s, which keeps its volume", o)
		}
	}
	if level := find[*corev1.Namespace](t, all, "Namespace", "tale").Labels["pod-security.kubernetes.io/enforce"]; level != "baseline" {
		t.Errorf("the crawler runs as root, which %s refuses", level)
	}
}

// The rule for the adapter makes the metric that the autoscaler asks for, of one that the
// proxies have.
func TestAdapterRule(t *testing.T) {
	scaler := find[*autoscalingv2.HorizontalPodAutoscaler](t, render(t, "site", "autoscale-requests"), "HorizontalPodAutoscaler", "platform").Spec
	text, err := os.ReadFile("components/autoscale-requests/adapter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var adapter struct {
		Rules struct {
			External []struct {
				SeriesQuery, MetricsQuery string
				Name                      struct{ As string }
				Resources                 any
			}
		}
	}
	if err := yaml.UnmarshalStrict(text, &adapter); err != nil {
		t.Fatal(err)
	}
	rule := adapter.Rules.External[0]
	alias := fmt.Sprintf(`alias="%s:%d"`, stack.Platform, stack.PlatformPort)
	series, _, _ := strings.Cut(rule.SeriesQuery, "{")
	if rule.Name.As != scaler.Metrics[1].External.Metric.Name || !strings.Contains(rule.SeriesQuery, alias) || !strings.Contains(rule.MetricsQuery, alias) {
		t.Errorf("%+v for %s", rule, scaler.Metrics[1].External.Metric.Name)
	}
	described, has := make(chan *prometheus.Desc, 64), false
	upstreams.Collector().Describe(described)
	close(described)
	for d := range described {
		has = has || strings.Contains(d.String(), fmt.Sprintf("%q", series))
	}
	if !has {
		t.Errorf("the proxies have no metric %s", series)
	}
}
