package kubernetes_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// checkStack compares names and ports with those by which the services find each
// other.
func checkStack(t *testing.T, name string, object any) {
	t.Helper()
	switch object := object.(type) {
	case *corev1.ConfigMap:
		if !strings.HasPrefix(object.Name, "tale-") { // files
			return
		}
		known := slices.Concat(config.Describe(platform.Settings{}), config.Describe(convex.Settings{}), config.Describe(proxy.Settings{}))
		for variable := range object.Data {
			if !slices.ContainsFunc(known, func(v config.Variable) bool { return v.Name == variable }) {
				t.Errorf("%s: no service reads %s", name, variable)
			}
			for _, given := range slices.Concat(serviceOf(t, stack.Convex).Environment, serviceOf(t, stack.Platform).Environment, serviceOf(t, stack.Proxy).Environment) {
				if given.Name == variable && given.Rule == stack.Always && given.Default != object.Data[variable] {
					t.Errorf("%s: %s is %s, but %s for the stack", name, variable, object.Data[variable], given.Default)
				}
			}
		}
	case *corev1.Secret:
		if role, _, _ := strings.Cut(object.Name, "-"); !slices.Contains(roles, role) {
			t.Errorf("%s: no container is given it", name)
		}
	case *corev1.Service:
		checkAddresses(t, name, object)
		service := serviceOf(t, object.Name)
		for _, port := range object.Spec.Ports {
			if !slices.Contains(service.Ports, int(port.Port)) && !slices.Contains(service.Publish, strconv.Itoa(int(port.Port))) {
				t.Errorf("%s: %s has no port %d", name, object.Name, port.Port)
			}
		}
	}
}

// checkAddresses sees that the proxies find each pod of the platform, which they probe by
// themselves, and convex at an address that stays, both before they are ready.
func checkAddresses(t *testing.T, name string, service *corev1.Service) {
	t.Helper()
	if headless := service.Spec.ClusterIP == corev1.ClusterIPNone; headless != (service.Name == stack.Platform) {
		t.Errorf("%s: its address is %q", name, service.Spec.ClusterIP)
	}
	if early := service.Spec.PublishNotReadyAddresses; early != (service.Name == stack.Platform || service.Name == stack.Convex) {
		t.Errorf("%s: pods that are not ready are found: %t", name, early)
	}
}

func serviceOf(t *testing.T, name string) stack.Service {
	t.Helper()
	for _, service := range stack.Services() {
		if service.Name == name {
			return service
		}
	}
	t.Fatalf("there is no service %s", name)
	return stack.Service{}
}

// checkPorts compares a container's ports, and what it is always given, with the stack's.
func checkPorts(t *testing.T, name string, c corev1.Container) {
	t.Helper()
	if c.Name == "push" { // the platform's program, which serves nothing
		return
	}
	service := serviceOf(t, c.Name)
	want := slices.Clone(service.Ports)
	for _, variable := range c.Env {
		if i := slices.IndexFunc(service.Environment, func(g stack.Given) bool { return g.Name == variable.Name && g.Rule == stack.Always }); i >= 0 && variable.Value != service.Environment[i].Default {
			t.Errorf("%s: %s is %s, but %s for the stack", name, variable.Name, variable.Value, service.Environment[i].Default)
		}
		if port, err := strconv.Atoi(variable.Value); err == nil && strings.HasSuffix(variable.Name, "_PORT") {
			want = append(want, port) // published under another number
		}
	}
	var ports []int
	for _, port := range c.Ports {
		if port.Protocol != corev1.ProtocolUDP {
			ports = append(ports, int(port.ContainerPort))
		}
	}
	slices.Sort(ports)
	if slices.Sort(want); !slices.Equal(ports, want) {
		t.Errorf("%s: ports %v, but %v of the stack", name, ports, want)
	}
}
