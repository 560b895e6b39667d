package place

import (
	"os"
	"slices"
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

func inNamespace(name string) Place {
	kubectl := "kubectl"
	if name != "" {
		kubectl += " -n " + name
	}
	return Place{kubernetes, kubectl}
}

// workload returns what deploy/kubernetes and the chart make of a service; Postgres is
// outside.
func workload(service string) string {
	switch service {
	case "db":
		return ""
	case "convex":
		return "statefulset/convex"
	}
	return "deployment/" + service
}

// workloads returns those of services that are in the cluster.
func workloads(services []string) (names, inside []string) {
	for _, service := range services {
		if name := workload(service); name != "" {
			names, inside = append(names, name), append(inside, service)
		}
	}
	return names, inside
}

// with returns kubectl with a verb for a service, or what is done about Postgres.
func (p Place) with(verb, service, arguments, postgres string) string {
	name := workload(service)
	if name == "" {
		return postgres
	}
	return p.kubectl + " " + verb + " " + name + arguments
}

// pods returns how to see those of services.
func (p Place) pods(services []string) string {
	_, inside := workloads(services)
	switch {
	case len(services) == 0:
		return p.kubectl + " get pods"
	case len(inside) == 0:
		return "see whether Postgres is up"
	}
	return p.kubectl + " get pods -l 'app.kubernetes.io/name in (" + strings.Join(inside, ", ") + ")'"
}

// apply is how what was changed is brought to the cluster, by kustomize or as a chart.
const apply = "kubectl apply -k . or helm upgrade"

// applied returns how services start with what was changed.
func (p Place) applied(services []string) string {
	names, _ := workloads(services)
	switch {
	case slices.Equal(services, []string{"platform"}):
		return p.pushed()
	case len(services) > 0 && len(names) == 0:
		return "start Postgres"
	}
	return apply
}

// pushed returns how a push is done again: it is a Job, which does nothing while it is there.
func (p Place) pushed() string {
	return p.kubectl + " delete job -l app.kubernetes.io/name=push; " + apply
}

// anew returns how services start although nothing was changed.
func (p Place) anew(services []string) string {
	if slices.Equal(services, []string{"platform"}) {
		return p.pushed()
	}
	names, _ := workloads(services)
	return p.kubectl + " rollout restart " + strings.Join(names, " ")
}
