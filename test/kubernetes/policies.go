package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// network is what the cluster's network is told: it enforces no policies by itself.
type network struct {
	policies []networkingv1.NetworkPolicy
	pods     []corev1.Pod // of all namespaces, those that have an address for themselves
}

func (c *cluster) network(ctx context.Context) (n network, err error) {
	var policies struct{ Items []networkingv1.NetworkPolicy }
	var pods struct{ Items []corev1.Pod }
	err = errors.Join(c.get(ctx, &policies, "networkpolicies"), c.get(ctx, &pods, "pods", "-A"))
	n.policies = policies.Items
	for _, pod := range pods.Items {
		if ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed; !ended && pod.Status.PodIP != "" && !pod.Spec.HostNetwork {
			n.pods = append(n.pods, pod)
		}
	}
	return n, err
}

// rules returns the policies as rules of nftables for a node. What a node's own programs ask of its
// pods, such as probes, passes as it does in any network. A new pod is known when they are made
// again, as a real network is late by a second or two.
func (n network) rules() (string, error) {
	var out strings.Builder
	out.WriteString("table ip policies\ndelete table ip policies\ntable ip policies {\n" +
		" chain pass {\n  type filter hook forward priority 10; policy accept;\n  ct state established,related accept\n")
	var chains strings.Builder
	for _, pod := range n.pods {
		for direction, side := range map[networkingv1.PolicyType]string{networkingv1.PolicyTypeEgress: "saddr", networkingv1.PolicyTypeIngress: "daddr"} {
			holds, passes, err := n.forPod(pod, direction)
			if err != nil {
				return "", err
			}
			if !holds {
				continue
			}
			chain := strings.ToLower(string(direction)) + strings.ReplaceAll(pod.Status.PodIP, ".", "_")
			fmt.Fprintf(&out, "  ip %s %s jump %s\n", side, pod.Status.PodIP, chain)
			fmt.Fprintf(&chains, " chain %s {\n%s  drop\n }\n", chain, passes)
		}
	}
	return out.String() + " }\n" + chains.String() + "}\n", nil
}

// forPod reports whether a policy holds for a pod, and returns what they let pass.
func (n network) forPod(pod corev1.Pod, direction networkingv1.PolicyType) (holds bool, passes string, err error) {
	for _, policy := range n.policies {
		selected, err := selects(policy.Spec.PodSelector, pod)
		if err != nil {
			return false, "", err
		}
		if pod.Namespace != policy.Namespace || !selected || !slices.Contains(policy.Spec.PolicyTypes, direction) {
			continue
		}
		holds = true
		if direction == networkingv1.PolicyTypeEgress {
			for _, rule := range policy.Spec.Egress {
				text, failed := n.rule("daddr", policy.Namespace, rule.To, rule.Ports)
				passes, err = passes+text, errors.Join(err, failed)
			}
		} else {
			for _, rule := range policy.Spec.Ingress {
				text, failed := n.rule("saddr", policy.Namespace, rule.From, rule.Ports)
				passes, err = passes+text, errors.Join(err, failed)
			}
		}
		if err != nil {
			return false, "", err
		}
	}
	return holds, passes, nil
}

// rule returns the lines for one rule of a policy. Of addresses IPv4 is enough here.
func (n network) rule(side, namespace string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) (string, error) {
	from := []string{""}
	if len(peers) > 0 {
		from = nil
	}
	for _, peer := range peers {
		if block := peer.IPBlock; block != nil {
			but := ""
			if len(block.Except) > 0 {
				but = fmt.Sprintf("ip %s != { %s } ", side, strings.Join(block.Except, ", "))
			}
			if !strings.Contains(block.CIDR, ":") {
				from = append(from, fmt.Sprintf("ip %s %s %s", side, block.CIDR, but))
			}
			continue
		}
		for _, pod := range n.pods {
			selected, err := selects(*peer.PodSelector, pod)
			if err != nil {
				return "", err
			}
			if selected && (peer.NamespaceSelector != nil || pod.Namespace == namespace) {
				from = append(from, fmt.Sprintf("ip %s %s ", side, pod.Status.PodIP))
			}
		}
	}
	to := []string{""}
	if len(ports) > 0 {
		to = nil
	}
	for _, port := range ports {
		protocol := "tcp"
		if port.Protocol != nil {
			protocol = strings.ToLower(string(*port.Protocol))
		}
		to = append(to, fmt.Sprintf("%s dport %s ", protocol, port.Port.String()))
	}
	var out strings.Builder
	for _, peer := range from {
		for _, port := range to {
			fmt.Fprintf(&out, "  %s%sreturn\n", peer, port)
		}
	}
	return out.String(), nil
}

func selects(selector metav1.LabelSelector, pod corev1.Pod) (bool, error) {
	s, err := metav1.LabelSelectorAsSelector(&selector)
	return err == nil && s.Matches(labels.Set(pod.Labels)), err
}

// enforce brings the policies into force on both nodes.
func (c *cluster) enforce(ctx context.Context) error {
	n, err := c.network(ctx)
	if err != nil {
		return err
	}
	text, err := n.rules()
	if err != nil {
		return err
	}
	return nft(ctx, text, "-f", "-")
}

func nft(ctx context.Context, in string, args ...string) error {
	for _, node := range []string{"node1", "node2"} {
		command := exec.CommandContext(ctx, "nsenter", append([]string{"--net=/run/netns/" + node, "nft"}, args...)...)
		command.Stdin = strings.NewReader(in)
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("nft on %s: %w: %s\n%s", node, err, out, in)
		}
	}
	return nil
}

// isolate has all pods be replaced and the functions be pushed beside visitors in a network that
// enforces the policies; then it tries what is closed.
func (c *cluster) isolate(ctx context.Context) error {
	err := c.isolated(ctx, func() error {
		if err := c.release(ctx, second); err != nil {
			return err
		}
		return c.tryClosed(ctx, arrows())
	})
	return errors.Join(err, c.backToFirst(ctx))
}

// isolated has the network enforce the policies while something is done.
func (c *cluster) isolated(ctx context.Context, do func() error) error {
	if err := c.enforce(ctx); err != nil {
		return err
	}
	ends, stop := context.WithCancel(ctx)
	enforced := make(chan error, 1)
	go func() { enforced <- c.stays(ends, rolloutLimit, func() error { return c.enforce(ctx) }) }()
	err := do()
	stop()
	if failed := <-enforced; !errors.Is(failed, context.Canceled) {
		err = errors.Join(err, failed)
	}
	return errors.Join(err, nft(ctx, "", "delete", "table", "ip", "policies"))
}

// doors are what pods listen at.
var doors = []string{"platform:3000", "platform:9180", "convex:3210", "convex:3211", "convex:6791", "convex:9180", "proxy:2020", "rag:8001", "crawler:8002", "db:5432"}

// programs are what pods run.
var programs = map[string]string{
	"proxy": "proxy", "platform": "platform-entrypoint", "convex": "convex-entrypoint", "db": "postgres", "rag": "standin rag", "crawler": "standin crawler",
}

// arrows returns those doors that each pod of the base may go through.
func arrows() map[string][]string {
	return map[string][]string{
		"proxy":    {"platform:3000", "platform:9180", "convex:3210", "convex:3211", "convex:6791"},
		"platform": {"convex:3210"},
		"convex":   {"db:5432"},
		"db":       nil,
	}
}

// pythonArrows returns the same beside rag and crawler.
func pythonArrows() map[string][]string {
	all := arrows()
	for _, from := range []string{"proxy", "convex"} {
		all[from] = append(all[from], "rag:8001", "crawler:8002")
	}
	all["rag"], all["crawler"] = []string{"db:5432"}, []string{"db:5432"}
	return all
}

// tryClosed opens connections between pods: those that docs/architecture.md has no arrow for do not
// come about, and as many as are tried of those that it has do.
func (c *cluster) tryClosed(ctx context.Context, opened map[string][]string) error {
	n, err := c.network(ctx)
	if err != nil {
		return err
	}
	at := map[string]string{}
	for _, pod := range n.pods {
		at[pod.Labels["app"]] = pod.Status.PodIP
	}
	var tried sync.WaitGroup
	failed := make(chan error, len(opened)*len(doors))
	for from, open := range opened {
		for _, to := range doors {
			app, port, _ := strings.Cut(to, ":")
			want := slices.Contains(open, to)
			if from == app || at[app] == "" && !want {
				continue
			}
			tried.Go(func() {
				got, err := connects(ctx, programs[from], at[app], port)
				if err == nil && got != want {
					err = fmt.Errorf("%s reaches %s: %v, want %v", from, to, got, want)
				}
				failed <- err
			})
		}
	}
	tried.Wait()
	close(failed)
	for one := range failed {
		err = errors.Join(err, one)
	}
	return err
}

// connects reports whether a pod, named by what it runs, reaches an address.
func connects(ctx context.Context, program, address, port string) (bool, error) {
	const patience = 2 // seconds
	pid, err := exec.CommandContext(ctx, "pgrep", "-o", "-f", "^([^ ]*/)?"+program+"( |$)").Output()
	if err != nil {
		return false, fmt.Errorf("cannot find a process of %s: %w", program, err)
	}
	if address == "" {
		return false, fmt.Errorf("there is no pod that %s could reach at port %s", program, port)
	}
	return exec.CommandContext(ctx, "nsenter", "--net=/proc/"+string(bytes.TrimSpace(pid))+"/ns/net",
		"timeout", strconv.Itoa(patience), "bash", "-c", `exec 3<>"/dev/tcp/$0/$1"`, address, port).Run() == nil, nil
}
