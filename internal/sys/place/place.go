// Package place words what to do for the place where the process runs: docker compose,
// which most use, Kubernetes, or a machine without containers. A message names a means,
// such as the log of a service, by a method of Place, and has no words of one place itself:
// a test looks for them in all messages.
package place

import (
	"os"
	"strings"
)

// Place has a method for each means.
type Place struct {
	kind    kind
	kubectl string // with the namespace
}

type kind int

const (
	compose kind = iota
	kubernetes
	bare
)

// Here returns the place where this process runs.
func Here() Place {
	switch {
	case InPod():
		return inNamespace(namespace("/etc/resolv.conf"))
	case exists("/.dockerenv"), exists("/run/.containerenv"):
		return Compose()
	}
	return Place{kind: bare}
}

// Compose returns that of docker compose, for pages and examples.
func Compose() Place { return Place{} }

// InPod reports whether this process runs in a pod of Kubernetes, whose policies may keep services
// apart. Every pod is given the variable, also one without service links.
func InPod() bool { return os.Getenv("KUBERNETES_SERVICE_HOST") != "" }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// words returns those of the place.
func (p Place) words(compose, inKubernetes, onMachine string) string {
	switch p.kind {
	case kubernetes:
		return inKubernetes
	case bare:
		return onMachine
	}
	return compose
}

// listed returns services as arguments.
func listed(services []string) string {
	return strings.Join(append([]string{""}, services...), " ")
}

// joined returns services as a sentence names them.
func joined(services []string) string {
	if len(services) == 0 {
		return "it"
	}
	return strings.Join(services, " and ")
}
