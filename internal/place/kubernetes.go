package place

import (
	"os"
	"strings"
)

// namespace returns the pod's, which is the first of the names that its name server completes
// a short one with, or "" where that is not so. The file of the service account is not
// mounted.
func namespace(resolvConf string) string {
	text, _ := os.ReadFile(resolvConf)
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "search" {
			continue
		}
		if name, rest, _ := strings.Cut(fields[1], "."); strings.HasPrefix(rest, "svc.") {
			return name
		}
	}
	return ""
}

// workloads are what deploy/kubernetes makes of the services; Postgres is outside.
var workloads = map[string]string{"convex": "statefulset/convex", "platform": "deployment/platform", "proxy": "deployment/proxy", "rag": "deployment/rag", "crawler": "deployment/crawler"}

// programs are what a container runs when it is given other arguments.
var programs = map[string]string{"convex": "convex-entrypoint", "platform": "platform-entrypoint", "proxy": "proxy"}

func kubernetes(namespace string) words {
	kubectl := "kubectl"
	if namespace != "" {
		kubectl += " -n " + namespace
	}
	selector := " -l app.kubernetes.io/name="
	return words{
		file: "the ConfigMap or Secret",
		phrases: strings.NewReplacer(
			"docker inspect --format '{{.State.OOMKilled}}' $(docker compose ps -aq platform)", kubectl+" get pods"+selector+"push -o jsonpath='{..terminated.reason}' (OOMKilled?)",
			"docker ps -a --filter name=convex", "kubectl get pods -A"+selector+"convex",
			"docker ps --filter name=platform", kubectl+" get pods"+selector+"push",
			"docker stats --no-stream convex db", kubectl+" top pods",
			"docker stats --no-stream convex", kubectl+" top pods",
			"docker stats --no-stream db", "the load of Postgres",
			"docker stats --no-stream", kubectl+" top pods",
			"docker stats", kubectl+" top pods",
			"(docker kill, kill, a watchdog, a security tool): dmesg, journalctl and docker events of that moment", "(an eviction, a watchdog, a security tool): "+kubectl+" get events, dmesg and journalctl of that moment",
			"docker system df", "df -h",
			"the log of the push (platform-entrypoint push)", "the log of the push: "+kubectl+" logs"+selector+"push --tail=-1",
			"TALE_VERSION in .env", "newTag in the kustomization",
			"in .env or the compose file", "in the ConfigMap or Secret",
			"read the same .env", "read the same values",
			"inside the compose network the proxy needs the alias HOST; outside, a DNS record", "it needs a DNS record that pods can resolve",
			"inside the compose network the proxy needs the name as an alias, like HOST; outside, a DNS record", "it needs a DNS record that pods can resolve",
			"inside the compose network", "inside the namespace",
			"mem_limit or deploy.resources.limits.memory in the compose file", "resources.limits.memory of its container",
			"raise mem_limit of the platform service", "raise resources.limits.memory of its container",
			"raise mem_limit of the convex service in the compose file", "raise resources.limits.memory of convex",
			"raise mem_limit of this service in the compose file", "raise resources.limits.memory of this container",
			"(user in the compose file)", "(runAsUser in its securityContext)",
			"pids_limit and ulimits in the compose file", "the kubelet's podPidsLimit, the runtime's limits",
			"ulimits: { nofile: 65536 } of the service proxy in the compose file", "LimitNOFILE of the node's container runtime",
			"pids_limit in compose", "the kubelet's podPidsLimit",
			"ulimits, nofile in compose", "LimitNOFILE of the node's container runtime",
			"docker pause, a frozen host", "a frozen host",
			"look at Postgres' log: docker compose logs --tail 50 db", "look at Postgres' log",
		),
		command: func(verb, options string, services []string) string {
			return inKubernetes(kubectl, verb, options, services)
		},
	}
}

// inKubernetes returns a command for docker compose as one for kubectl.
func inKubernetes(kubectl, verb, options string, services []string) string {
	var names, selected []string
	for _, service := range services {
		if workload := workloads[service]; workload != "" {
			names, selected = append(names, workload), append(selected, service)
		}
	}
	if len(services) > 0 && len(names) == 0 {
		return ofPostgres(verb)
	}
	all, chosen := strings.Join(names, " "), " -l 'app.kubernetes.io/name in ("+strings.Join(selected, ", ")+")'"
	if len(names) == 0 {
		chosen = ""
	}
	// A push is a Job, which does nothing again while it is there.
	const again = "kubectl delete job -l app.kubernetes.io/name=push; kubectl apply -k ."
	switch verb {
	case "up -d", "up -d --force-recreate":
		switch {
		case all == workloads["platform"]:
			return strings.ReplaceAll(again, "kubectl delete", kubectl+" delete")
		case verb == "up -d":
			return "kubectl apply -k ."
		}
		return kubectl + " rollout restart " + all
	case "restart":
		return kubectl + " rollout restart " + all
	case "ps":
		return kubectl + " get pods" + chosen
	case "logs":
		if all == "" {
			return kubectl + " logs --prefix --all-containers --tail=-1 -l app.kubernetes.io/part-of=tale"
		}
		return kubectl + " logs" + options + " " + all
	case "exec":
		return kubectl + " exec " + all + " --"
	}
	return kubectl + " exec " + all + " -- " + programs[selected[0]]
}

// ofPostgres returns what to do about a database that is not in the cluster.
func ofPostgres(verb string) string {
	switch verb {
	case "logs":
		return "the log of Postgres"
	case "ps":
		return "see whether Postgres is up"
	case "restart":
		return "restart Postgres"
	case "exec":
		return "where Postgres is:"
	}
	return "start Postgres"
}
