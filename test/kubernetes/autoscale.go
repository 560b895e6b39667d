package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sooner has fewer pods be wanted sooner, and no more than the machine has room for. Each page costs
// 5 ms and more.
const sooner = `
patches:
  - target: { kind: Deployment, name: platform }
    patch: |-
      - { op: add, path: /spec/template/spec/containers/0/env, value: [{ name: WEB_COMMAND, value: "bun --preload /` + burnPath + ` server.ts" }] }
  - target: { kind: HorizontalPodAutoscaler, name: platform }
    patch: |-
      - { op: replace, path: /spec/maxReplicas, value: 5 }
      - { op: replace, path: /spec/behavior/scaleDown/stabilizationWindowSeconds, value: 15 }
      - { op: replace, path: /spec/behavior/scaleDown/policies/0/periodSeconds, value: 15 }
`

// byProcessors has little use of a processor be much.
const byProcessors = `      - { op: replace, path: /spec/metrics/0/resource/target/averageValue, value: 40m }
`

// autoscale has processors decide.
func (c *cluster) autoscale(ctx context.Context) error {
	return c.autoscaled(ctx, "autoscale", byProcessors)
}

// autoscaled has pods be added while many ask for pages, and be taken away afterwards, and visitors
// lose nothing meanwhile.
func (c *cluster) autoscaled(ctx context.Context, component, by string) error {
	stop, err := c.measure(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return c.with(ctx, addition{components: []string{component}, text: sooner + by}, func() error {
		const most, least = 5, 3
		return c.under(ctx, loss{}, func() error {
			crowd, calm := context.WithCancel(ctx)
			defer calm()
			done := c.crowd(crowd)
			err := c.scaledTo(ctx, most)
			if err == nil {
				err = c.keeps(ctx, most)
			}
			calm()
			done.Wait()
			if err == nil {
				err = c.scaledTo(ctx, least)
			}
			return errors.Join(err, c.rolledOut(ctx, rolloutLimit))
		}, "/favicon.svg")
	})
}

// keeps sees that an apply leaves the number of pods to the autoscaler.
func (c *cluster) keeps(ctx context.Context, count int) error {
	if _, err := c.kubectl(ctx, "apply", "-k", c.overlay()); err != nil {
		return err
	}
	out, err := c.kubectl(ctx, "get", "deployment", "platform", "-n", c.namespace, "-o", "jsonpath={.spec.replicas}")
	if want := strconv.Itoa(count); err == nil && out != want {
		err = fmt.Errorf("an apply sets %s pods where the autoscaler wants %s", out, want)
	}
	return err
}

// crowd asks for pages as fast as they are answered.
func (c *cluster) crowd(ctx context.Context) *sync.WaitGroup {
	const asking = 16
	done := &sync.WaitGroup{}
	for range asking {
		done.Go(func() {
			v, err := c.visitors(ctx)
			for err == nil && ctx.Err() == nil {
				_ = v.once(v.kept, "/") // the visitors beside it count what is lost
			}
		})
	}
	return done
}

// scaledTo waits until the autoscaler wants so many pods, and they are available.
func (c *cluster) scaledTo(ctx context.Context, count int) error {
	const limit = 4 * time.Minute
	began := time.Now()
	err := eventually(ctx, limit, func() error {
		out, err := c.kubectl(ctx, "get", "deployment", "platform", "-n", c.namespace, "-o", "jsonpath={.spec.replicas} {.status.availableReplicas}")
		if want := strconv.Itoa(count) + " " + strconv.Itoa(count); err == nil && out != want {
			said, _ := c.kubectl(ctx, "describe", "hpa", "platform", "-n", c.namespace)
			err = fmt.Errorf("pods wanted and available are %q, want %q: %s", out, want, said)
		}
		return err
	})
	c.figures = append(c.figures, fmt.Sprintf("%d pods after %.0f s", count, time.Since(began).Seconds()))
	return err
}

// aggregated has the API server ask a server beside it for a group of its API. It has no certificate
// to show to that, so it is everybody.
const aggregated = `apiVersion: v1
kind: Service
metadata:
  name: {{.Name}}
  namespace: kube-system
spec:
  ports: [{ port: 443, targetPort: {{.Port}} }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {{.Name}}
  namespace: kube-system
  labels: { kubernetes.io/service-name: {{.Name}} }
addressType: IPv4
endpoints: [{ addresses: [` + nameserver + `] }]
ports: [{ port: {{.Port}} }]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata:
  name: v1beta1.{{.Group}}
spec:
  service: { name: {{.Name}}, namespace: kube-system }
  group: {{.Group}}
  version: v1beta1
  insecureSkipTLSVerify: true
  groupPriorityMinimum: 100
  versionPriority: 100
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{.Group}}
rules:
  - { apiGroups: [{{.Group}}], resources: ["*"], verbs: [get, list] }
  - { nonResourceURLs: ["/apis", "/apis/*", "/openapi/*"], verbs: [get] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{.Group}}
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{.Group}} }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:anonymous" }]
`

// aggregate makes that known, and returns what takes it back.
func (c *cluster) aggregate(ctx context.Context, group, port string) (takeBack func(), err error) {
	path := filepath.Join(c.overlay(), group+".yaml")
	if err := write(path, aggregated, map[string]string{"Group": group, "Name": strings.ReplaceAll(group, ".", "-"), "Port": port}); err != nil {
		return nil, err
	}
	_, err = c.kubectl(ctx, "apply", "-f", path)
	return func() { _, _ = c.kubectl(ctx, "delete", "-f", path) }, err // the next check does not ask
}

// measure starts the cluster's metrics-server.
func (c *cluster) measure(ctx context.Context) (stop func(), err error) {
	const port = "14443"
	takeBack, err := c.aggregate(ctx, "metrics.k8s.io", port)
	if err != nil {
		return nil, err
	}
	admin := filepath.Join(c.dir, "admin.kubeconfig")
	end, err := c.daemon(ctx, "metrics-server", filepath.Join(c.tools, "metrics-server"), "--secure-port="+port, "--cert-dir="+filepath.Join(c.dir, "metrics-server"),
		"--kubeconfig="+admin, "--authentication-kubeconfig="+admin, "--authorization-kubeconfig="+admin,
		"--kubelet-insecure-tls", "--kubelet-preferred-address-types=InternalIP", "--metric-resolution=15s")
	if err != nil {
		return nil, err
	}
	return func() { end(); takeBack() }, eventually(ctx, 2*time.Minute, func() error {
		_, err := c.kubectl(ctx, "top", "pods", "-n", c.namespace)
		return err
	})
}

// byRequests has few requests under way be many, and processors say nothing.
const byRequests = `      - { op: replace, path: /spec/metrics/0/resource/target/averageValue, value: "100" }
      - { op: replace, path: /spec/metrics/1/external/target/averageValue, value: "6" }
`

// autoscaleRequests does the same as autoscale where requests under way decide.
func (c *cluster) autoscaleRequests(ctx context.Context) error {
	stop, err := c.adapt(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return c.autoscaled(ctx, "autoscale-requests", byRequests)
}

// adapt starts what stands in for Prometheus and its adapter: what adapter.yaml asks for is summed
// up from what the proxies say now.
func (c *cluster) adapt(ctx context.Context) (stop func(), err error) {
	const group, metric = "/apis/external.metrics.k8s.io/v1beta1", "tale_platform_requests"
	mux := http.NewServeMux()
	mux.HandleFunc(group, func(w http.ResponseWriter, _ *http.Request) {
		tell(w, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": strings.TrimPrefix(group, "/apis/"), "resources": []any{}})
	})
	mux.HandleFunc(group+"/namespaces/"+siteNamespace+"/"+metric, func(w http.ResponseWriter, r *http.Request) {
		sum, err := c.underWay(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		item := map[string]any{"metricName": metric, "timestamp": time.Now().UTC().Format(time.RFC3339), "value": strconv.Itoa(sum)}
		tell(w, map[string]any{"kind": "ExternalMetricValueList", "apiVersion": strings.TrimPrefix(group, "/apis/"), "metadata": struct{}{}, "items": []any{item}})
	})
	const port = "14001"
	stopServer, err := c.serveTLS(ctx, "adapter", port, mux)
	if err != nil {
		return nil, err
	}
	takeBack, err := c.aggregate(ctx, "external.metrics.k8s.io", port)
	return func() { takeBack(); stopServer() }, err
}

func tell(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object) // to one who may have gone
}

// underWay returns how many requests all proxies have under way at the platform.
func (c *cluster) underWay(ctx context.Context) (sum int, err error) {
	const gauge = `tale_proxy_upstream_requests{`
	var pods struct {
		Items []struct{ Status struct{ PodIP string } }
	}
	if err := c.get(ctx, &pods, "pods", "-l", "app=proxy"); err != nil {
		return 0, err
	}
	found := false
	for _, pod := range pods.Items {
		text, failed := c.ask(ctx, "http://"+net.JoinHostPort(pod.Status.PodIP, "2020")+"/metrics")
		err = errors.Join(err, failed)
		for line := range strings.Lines(text) {
			if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, gauge) && strings.Contains(name, `alias="platform:3000"`) {
				number, failed := strconv.Atoi(value)
				sum, err, found = sum+number, errors.Join(err, failed), true
			}
		}
	}
	if !found {
		err = errors.Join(err, fmt.Errorf("no proxy has %s", gauge))
	}
	return sum, err
}
