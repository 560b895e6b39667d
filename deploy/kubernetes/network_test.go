package kubernetes_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// end is one of a connection: a pod, or an address outside.
type end struct {
	name   string
	labels labels.Set
	here   bool // in the namespace of the policies
	ports  []int
	ip     netip.Addr
}

func address(ip string) end { return end{name: ip, ip: netip.MustParseAddr(ip)} }

// allows reports whether policies let a connection through: both ends must.
func allows(t *testing.T, policies []networkingv1.NetworkPolicySpec, from, to end, port int) bool {
	t.Helper()
	out := passes(t, policies, networkingv1.PolicyTypeEgress, from, func(s networkingv1.NetworkPolicySpec) bool {
		return slices.ContainsFunc(s.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool { return matches(t, r.To, r.Ports, to, port) })
	})
	in := passes(t, policies, networkingv1.PolicyTypeIngress, to, func(s networkingv1.NetworkPolicySpec) bool {
		return slices.ContainsFunc(s.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool { return matches(t, r.From, r.Ports, from, port) })
	})
	return out && in
}

// passes reports whether one of the policies that hold for a pod lets something pass, or none holds.
func passes(t *testing.T, policies []networkingv1.NetworkPolicySpec, direction networkingv1.PolicyType, pod end, one func(networkingv1.NetworkPolicySpec) bool) bool {
	t.Helper()
	held := false
	for _, policy := range policies {
		if !pod.here || !slices.Contains(policy.PolicyTypes, direction) || !selects(t, &policy.PodSelector, pod.labels) {
			continue
		}
		if held = true; one(policy) {
			return true
		}
	}
	return !held
}

func selects(t *testing.T, selector *metav1.LabelSelector, set labels.Set) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(set)
}

func matches(t *testing.T, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, other end, port int) bool {
	t.Helper()
	is := func(p networkingv1.NetworkPolicyPort) bool { return p.Port.IntValue() == port } // 0 for a name: not every network knows those
	if len(ports) > 0 && !slices.ContainsFunc(ports, is) {
		return false
	}
	return len(peers) == 0 || slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		switch {
		case p.IPBlock != nil:
			return other.ip.IsValid() && inside(p.IPBlock.CIDR, other.ip) && !slices.ContainsFunc(p.IPBlock.Except, func(not string) bool { return inside(not, other.ip) })
		case other.ip.IsValid() || (p.NamespaceSelector == nil && !other.here):
			return false
		}
		return p.PodSelector == nil || selects(t, p.PodSelector, other.labels)
	})
}

func inside(cidr string, ip netip.Addr) bool { return netip.MustParsePrefix(cidr).Contains(ip) }

// network returns the policies and, by role, the pods of manifests.
func network(all manifests) (policies []networkingv1.NetworkPolicySpec, pods map[string]end) {
	pods = map[string]end{}
	for _, o := range all {
		if policy, ok := o.value.(*networkingv1.NetworkPolicy); ok {
			policies = append(policies, policy.Spec)
		}
		if o.pod == nil {
			continue
		}
		pod := end{name: o.pod.Spec.Containers[0].Name, labels: o.pod.Labels, here: true}
		for _, port := range o.pod.Spec.Containers[0].Ports {
			pod.ports = append(pod.ports, int(port.ContainerPort))
		}
		pods[pod.name] = pod
	}
	return policies, pods
}

// Between pods exactly the arrows of docs/architecture.md are open.
func TestArrows(t *testing.T) {
	t.Run("site", func(t *testing.T) { checkArrows(t, render(t, "site")) })
	t.Run("python", func(t *testing.T) { checkArrows(t, render(t, "site", "python")) })
}

func checkArrows(t *testing.T, all manifests) {
	t.Helper()
	policies, pods := network(all)
	want := slices.DeleteFunc(arrows(t), func(a string) bool {
		from, to, _ := strings.Cut(a, " -> ")
		to, _, _ = strings.Cut(to, ":")
		return pods[from].name == "" || pods[to].name == "" // of a component that is not there
	})
	var got []string
	for _, from := range pods {
		for _, to := range pods {
			for _, port := range to.ports {
				if allows(t, policies, from, to, port) {
					got = append(got, arrow(from.name, to.name, port))
				}
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("open:\n%s\nin docs/architecture.md:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func arrow(from, to string, port int) string { return fmt.Sprintf("%s -> %s:%d", from, to, port) }

// arrows returns those of the page's first picture that lead from a container to another one.
func arrows(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, picture, _ := strings.Cut(string(page), "```mermaid\n")
	picture, _, _ = strings.Cut(picture, "```")
	box, port := regexp.MustCompile(`(\w+)\[(.*?)\]`), regexp.MustCompile(`:(\d+)`)
	inContainer, ports, container := map[string]string{}, map[string][]string{}, ""
	found := map[string]bool{}
	for line := range strings.Lines(picture) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "subgraph "); ok {
			container, _, _ = strings.Cut(name, " ")
			inContainer[container] = container
			continue
		}
		if line == "end" {
			container = ""
			continue
		}
		for _, one := range box.FindAllStringSubmatch(line, -1) {
			inContainer[one[1]] = container
			for _, p := range port.FindAllStringSubmatch(one[2], -1) {
				ports[one[1]] = append(ports[one[1]], p[1])
			}
		}
		edge := regexp.MustCompile(`^(\w+) -\.?->(?:\|(.*?)\|)? (\w+)$`).FindStringSubmatch(line)
		if edge == nil || inContainer[edge[1]] == "" || inContainer[edge[3]] == "" {
			continue
		}
		to := ports[edge[3]]
		if named := port.FindStringSubmatch(edge[2]); named != nil {
			to = named[1:]
		}
		from := []string{inContainer[edge[1]]}
		if from[0] == stack.Platform {
			from = append(from, "push") // the same program
		}
		for _, p := range to {
			number, _ := strconv.Atoi(p)
			for _, name := range from {
				found[arrow(name, inContainer[edge[3]], number)] = true
			}
		}
	}
	if len(found) == 0 {
		t.Fatal("there is no arrow in docs/architecture.md")
	}
	return slices.Sorted(maps.Keys(found))
}

// What leads out of the namespace, and into it.
func TestOutside(t *testing.T) {
	policies, pods := network(render(t, "site", "python"))
	stranger := end{name: "a pod of another namespace", labels: labels.Set{"app": stack.Proxy}}
	scraper := end{name: "a scraper", labels: labels.Set{"tale-metrics": "true"}}
	web, node, metadata, inner := address("203.0.113.7"), address("10.0.0.5"), address("169.254.169.254"), address("fd00::1")
	for name, pod := range pods {
		for _, to := range []end{web, node, metadata, inner, address("2001:db8::1")} {
			public := to.name == web.name || to.name == "2001:db8::1"
			for port, want := range map[int]bool{
				53:           true,
				443:          (name == stack.Convex || python(name)) && public,
				stack.DBPort: name == stack.Convex || python(name),
			} {
				if allows(t, policies, pod, to, port) != want {
					t.Errorf("%s to %s:%d: want %t", name, to.name, port, want)
				}
			}
		}
		for _, port := range pod.ports {
			door := name == stack.Proxy && port != stack.ProxyHealthPort
			for _, from := range []end{stranger, web, node} {
				if allows(t, policies, from, pod, port) != door {
					t.Errorf("%s to %s:%d: want %t", from.name, name, port, door)
				}
			}
			if metrics := port == stack.StatusPort || port == stack.ProxyHealthPort; allows(t, policies, scraper, pod, port) != (metrics || door) {
				t.Errorf("metrics of %s:%d are closed, or more is open to who reads them", name, port)
			}
		}
	}
}

// Every pod says where its metrics are, at a port that it has.
func TestScrapeHints(t *testing.T) {
	for _, o := range render(t, "site").pods() {
		ports := o.pod.Spec.Containers[0].Ports
		at := o.pod.Annotations["prometheus.io/port"]
		has := slices.ContainsFunc(ports, func(p corev1.ContainerPort) bool { return strconv.Itoa(int(p.ContainerPort)) == at })
		if (len(ports) > 0) != (has && o.pod.Annotations["prometheus.io/scrape"] == "true") {
			t.Errorf("%s: metrics at %q of %v", o, at, ports)
		}
	}
}
