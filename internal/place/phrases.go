package place

import "strings"

// phrase is what a message says for docker compose, and what that is elsewhere. Of two that
// begin alike the longer one stands first.
type phrase struct{ compose, kubernetes, bare string }

// asItIs stands where a place changes nothing.
const asItIs = "="

// phrases returns those besides the commands of docker compose and the name of .env.
func phrases(kubectl string) []phrase {
	const selector = " -l app.kubernetes.io/name="
	return []phrase{
		{"docker inspect --format '{{.State.OOMKilled}}' $(docker compose ps -aq platform)", kubectl + " get pods" + selector + "push -o jsonpath='{..terminated.reason}' (OOMKilled?)", "dmesg | grep -i 'out of memory'"},
		{"docker ps -a --filter name=convex", "kubectl get pods -A" + selector + "convex", "pgrep -a convex"},
		{"docker ps --filter name=platform", kubectl + " get pods" + selector + "push", "pgrep -a platform"},
		{"docker stats --no-stream convex db", kubectl + " top pods", "top"},
		{"docker stats --no-stream convex", kubectl + " top pods", "top"},
		{"docker stats --no-stream db", "the load of Postgres", "top"},
		{"docker stats --no-stream", kubectl + " top pods", "top"},
		{"docker stats", kubectl + " top pods", "top"},
		{"(docker kill, kill, a watchdog, a security tool): dmesg, journalctl and docker events of that moment", "(an eviction, a watchdog, a security tool): " + kubectl + " get events, dmesg and journalctl of that moment", "(kill, a watchdog, a security tool): dmesg and journalctl of that moment"},
		{"docker system df", "df -h", "df -h"},
		{"the log of the push (platform-entrypoint push)", "the log of the push: " + kubectl + " logs" + selector + "push --tail=-1", asItIs},
		{"TALE_VERSION in .env", "newTag in the kustomization", asItIs},
		{"in .env or the compose file", "in the ConfigMap or Secret", "in its environment"},
		{"read the same .env", "read the same values", "read the same values"},
		{"inside the compose network the proxy needs the alias HOST; outside, a DNS record", "it needs a DNS record that pods can resolve", "it needs a DNS record"},
		{"inside the compose network the proxy needs the name as an alias, like HOST; outside, a DNS record", "it needs a DNS record that pods can resolve", "it needs a DNS record"},
		{" (inside the compose network: http://convex:3210)", asItIs, ""},
		{"inside the compose network", "inside the namespace", "here"},
		{"mem_limit or deploy.resources.limits.memory in the compose file", "resources.limits.memory of its container", "of its control group"},
		{"raise mem_limit of the platform service", "raise resources.limits.memory of its container", "raise the memory limit of its control group"},
		{"raise mem_limit of the convex service in the compose file", "raise resources.limits.memory of convex", "raise the memory limit of the control group of convex"},
		{"raise mem_limit of this service in the compose file", "raise resources.limits.memory of this container", "raise the memory limit of its control group"},
		{"(user in the compose file)", "(runAsUser in its securityContext)", "(User= of its unit)"},
		{"pids_limit and ulimits in the compose file", "the kubelet's podPidsLimit, the runtime's limits", "ulimit -u, ulimit -n"},
		{"ulimits: { nofile: 65536 } of the service proxy in the compose file", "LimitNOFILE of the node's container runtime", "ulimit -n 65536 for the proxy"},
		{"pids_limit in compose", "the kubelet's podPidsLimit", "ulimit -u"},
		{"ulimits, nofile in compose", "LimitNOFILE of the node's container runtime", "ulimit -n"},
		{"docker pause, a frozen host", "a frozen host", "a frozen host"},
		{"look at Postgres' log: docker compose logs --tail 50 db", "look at Postgres' log", asItIs},
	}
}

// replacer puts in what a place says.
func replacer(phrases []phrase, in func(phrase) string) *strings.Replacer {
	var pairs []string
	for _, p := range phrases {
		if said := in(p); said != asItIs {
			pairs = append(pairs, p.compose, said)
		}
	}
	return strings.NewReplacer(pairs...)
}
