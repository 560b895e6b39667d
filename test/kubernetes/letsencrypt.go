package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// balancer is the address of the site's load balancer, which the name of the site has.
const balancer = "10.250.0.100"

// authorityPort is where the authority listens.
const authorityPort = "14000"

// startAuthority starts Let's Encrypt's own test authority beside the nodes, and returns the roots
// of what it issues.
func (c *cluster) startAuthority(ctx context.Context) (roots *x509.CertPool, stop func(), err error) {
	quiet, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
	issuing := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 90 * 24 * 60 * 60}})
	validating := va.New(quiet, 80, 443, false, nameserver+":53", store)
	front := wfe.New(quiet, store, validating, issuing, []string{"pebble.test"}, false, false, 1, 1)
	roots = x509.NewCertPool()
	roots.AddCert(issuing.GetRootCert(0).Cert)
	stop, err = c.serveTLS(ctx, "authority", authorityPort, front.Handler())
	return roots, stop, err
}

// authorityIsOurs has the proxy ask that authority, which has a private address here.
const authorityIsOurs = `
patches:
  - target: { kind: NetworkPolicy, name: letsencrypt }
    patch: |-
      - { op: add, path: /spec/egress/-, value: { to: [{ ipBlock: { cidr: ` + nameserver + `/32 } }], ports: [{ port: ` + authorityPort + ` }] } }
  - target: { kind: Deployment, name: proxy }
    patch: |-
      - { op: add, path: /spec/template/spec/containers/0/env/-, value: { name: ACME_DIRECTORY, value: "https://` + nameserver + `:` + authorityPort + wfe.DirectoryPath + `" } }
      - { op: add, path: /spec/template/spec/containers/0/env/-, value: { name: ACME_CA_ROOT, value: /etc/authority/authority.crt } }
      - { op: add, path: /spec/template/spec/containers/0/volumeMounts/-, value: { name: authority, mountPath: /etc/authority } }
      - { op: add, path: /spec/template/spec/volumes/-, value: { name: authority, configMap: { name: authority } } }
`

// letsencrypt has the proxy get a certificate of an authority, in a network that enforces the
// policies, and keep it when its pod is deleted, and when it is rolled out. It knows who asks.
func (c *cluster) letsencrypt(ctx context.Context) error {
	roots, stop, err := c.startAuthority(ctx)
	if err != nil {
		return err
	}
	defer stop()
	a := addition{
		components: []string{"letsencrypt"}, settings: []string{"TLS_EMAIL=admin@example.com"}, maps: []string{"authority: authority.crt"},
		text: authorityIsOurs, volumes: []volume{{name: "proxy", size: "1Gi", mode: "ReadWriteOnce"}},
	}
	return c.with(ctx, a, func() error {
		return c.isolated(ctx, func() error {
			got, err := c.certificate(ctx, roots, nil)
			for _, again := range [][]string{{"delete", "pod", "-l", "app=proxy"}, {"rollout", "restart", "deployment/proxy"}} {
				if err == nil {
					_, err = c.kubectl(ctx, append(again, "-n", c.namespace)...)
				}
				if err == nil {
					err = c.rolledOut(ctx, rolloutLimit)
				}
				if err == nil {
					_, err = c.certificate(ctx, roots, got)
				}
			}
			if err != nil {
				return err
			}
			defer func() { c.entrance = nil }()
			c.entrance = &entrance{balancer + ":443", &tls.Config{RootCAs: roots, ServerName: site}}
			return errors.Join(c.serves(ctx, "/", "/favicon.svg", backendPath), c.knowsVisitors(ctx))
		})
	})
}

// certificate returns what visitors get who come by the load balancer, which is to be a certain one
// unless it is nil.
func (c *cluster) certificate(ctx context.Context, roots *x509.CertPool, want *x509.Certificate) (got *x509.Certificate, err error) {
	const limit = 2 * time.Minute
	if err := c.balance(ctx); err != nil {
		return nil, err
	}
	err = eventually(ctx, limit, func() error {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: site}}
		conn, err := dialer.DialContext(ctx, "tcp", balancer+":443")
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		got = conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		return nil
	})
	if err == nil && want != nil && !got.Equal(want) {
		err = fmt.Errorf("it is another certificate: %s, and was %s", got.SerialNumber, want.SerialNumber)
	}
	return got, err
}

// balance does what the load balancer does that the Service of the proxy asks for: it gives it an
// address, and sends visitors to the node which says that it has a pod of the proxy.
func (c *cluster) balance(ctx context.Context) error {
	const status = `{"status": {"loadBalancer": {"ingress": [{"ip": "` + balancer + `"}]}}}`
	if _, err := c.kubectl(ctx, "patch", "service", "proxy", "-n", c.namespace, "--subresource=status", "--patch", status); err != nil {
		return err
	}
	port, err := c.kubectl(ctx, "get", "service", "proxy", "-n", c.namespace, "-o", "jsonpath={.spec.healthCheckNodePort}")
	if err != nil {
		return err
	}
	return eventually(ctx, patience, func() error {
		var none error
		for _, node := range []string{"10.250.0.11", "10.250.0.12"} {
			_, err := c.ask(ctx, "http://"+node+":"+port)
			if err == nil {
				return ip(ctx, "route", "replace", balancer, "via", node)
			}
			none = errors.Join(none, err)
		}
		return none
	})
}
