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
	return words{
		file:    "the ConfigMap or Secret",
		phrases: replacer(phrases(kubectl), func(p phrase) string { return p.kubernetes }),
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
