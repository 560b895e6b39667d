package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// controller is what a cluster with Traefik has: the class of its ingresses, which those get that
// name none.
const controller = `apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: traefik
  annotations: { ingressclass.kubernetes.io/is-default-class: "true" }
spec:
  controller: traefik.io/ingress-controller
`

// controllerAddress is where Traefik listens: on the network of the first node, as many do.
const controllerAddress = "10.250.0.11:443"

// ingress has visitors come by TLS to an ingress controller, in a network that enforces the
// policies: pages, files and sockets are there, also while the proxies are replaced, and the proxy
// knows who asks.
func (c *cluster) ingress(ctx context.Context) error {
	stop, err := c.startController(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := c.certify(ctx, "tale-tls", "DNS:"+site); err != nil {
		return err
	}
	pem, err := os.ReadFile(filepath.Join(c.overlay(), "tale-tls.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	a := addition{components: []string{"ingress"}}
	return c.with(ctx, a, func() error {
		name := filepath.Join(c.overlay(), "tale-tls")
		if _, err := c.kubectl(ctx, "create", "secret", "tls", "tale-tls", "-n", c.namespace, "--cert", name+".crt", "--key", name+".key"); err != nil {
			return err
		}
		defer func() { c.entrance = nil }()
		c.entrance = &entrance{controllerAddress, &tls.Config{RootCAs: roots, ServerName: site}}
		return c.isolated(ctx, func() error {
			if err := c.serves(ctx, "/", backendPath); err != nil {
				return err
			}
			if err := c.restart(ctx, "deployment/proxy", loss{closes: true}); err != nil {
				return err
			}
			return c.knowsVisitors(ctx)
		})
	})
}

// startController starts Traefik.
func (c *cluster) startController(ctx context.Context) (stop func(), err error) {
	path := filepath.Join(c.overlay(), "controller.yaml")
	if err := os.WriteFile(path, []byte(controller), 0o600); err != nil {
		return nil, err
	}
	if _, err := c.kubectl(ctx, "apply", "-f", path); err != nil {
		return nil, err
	}
	return c.daemon(ctx, "traefik", "nsenter", "--net=/run/netns/node1", c.traefik, "--providers.kubernetesingress=true",
		"--entrypoints.websecure.address="+controllerAddress, "--entrypoints.websecure.http.tls=true", "--entrypoints.websecure.transport.respondingtimeouts.readtimeout=0", "--global.checknewversion=false", "--global.sendanonymoususage=false")
}

// knowsVisitors sees that the proxies' log has the address of who asks, not that of what is in front of them.
func (c *cluster) knowsVisitors(ctx context.Context) error {
	log, err := c.kubectl(ctx, "logs", "-n", c.namespace, "-l", "app=proxy", "--tail=1000")
	if err == nil && (!strings.Contains(log, `"client_ip":"`+nameserver+`"`) || strings.Contains(log, `"client_ip":"10.250.0.11"`)) {
		err = errors.New("the proxies do not log the address of who asks")
	}
	return err
}
