package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// databaseOutside is a Postgres of its own.
const databaseOutside = `apiVersion: v1
kind: Service
metadata:
  name: postgres
  namespace: outside
spec:
  selector: { app: postgres }
  ports: [{ port: 5432 }]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: postgres
  namespace: outside
spec:
  selector: { matchLabels: { app: postgres } }
  template:
    metadata:
      labels: { app: postgres }
    spec:
      nodeName: node1
      containers:
        - name: postgres
          image: tale-e2e/tale-db:e2e
          # The server wants a key that is its user's.
          command: [bash, -ec, "install -D -o postgres -m 0600 -t /tls /given/tls.*; exec tale-db-entrypoint postgres"]
          env:
            - { name: POSTGRES_USER, value: tale }
            - { name: POSTGRES_PASSWORD, value: "{{.Password}}" }
            - { name: POSTGRES_DB, value: tale }
          volumeMounts:
            - { name: given, mountPath: /given }
            - { name: sql, mountPath: /docker-entrypoint-initdb.d/90-tls.sql, subPath: tls.sql }
      volumes:
        - { name: given, secret: { secretName: postgres } }
        - { name: sql, configMap: { name: postgres } }
`

// haveTLS has that server take TLS, and log who logs in.
const haveTLS = "ALTER SYSTEM SET ssl = on; ALTER SYSTEM SET ssl_cert_file = '/tls/tls.crt'; ALTER SYSTEM SET ssl_key_file = '/tls/tls.key'; ALTER SYSTEM SET log_connections = on;"

// externalDatabase has the site keep its documents in a Postgres outside, whose certificate is of an
// authority that only the site knows.
func (c *cluster) externalDatabase(ctx context.Context) error {
	if err := c.startOutside(ctx); err != nil {
		return err
	}
	a := addition{
		components: []string{"external-database"}, maps: []string{"database-ca: ca.crt"}, files: map[string]string{},
		// The backend refuses files that belong to another database.
		volumes: []volume{{name: "convex-outside", size: "20Gi", mode: "ReadWriteOnce", claim: "data-convex-0"}},
	}
	for _, name := range []string{"convex.env", "push.env"} {
		text, err := os.ReadFile(filepath.Join(c.overlay(), name))
		if err != nil {
			return err
		}
		a.files[name] = strings.ReplaceAll(string(text), "@db.db:5432?sslmode=disable", "@postgres.outside:5432")
	}
	err := c.with(ctx, a, func() error {
		return c.isolated(ctx, func() error {
			if err := c.deletePod(ctx, "convex", loss{closes: true}, backendPath); err != nil {
				return err
			}
			return c.byTLS(ctx)
		})
	})
	_, removed := c.kubectl(ctx, "delete", "namespace", "outside", "--timeout=180s")
	return errors.Join(err, removed)
}

// startOutside starts that Postgres.
func (c *cluster) startOutside(ctx context.Context) error {
	file := filepath.Join(c.overlay(), "outside.yaml")
	err := errors.Join(c.certify(ctx, "ca", "DNS:postgres.outside"), write(file, databaseOutside, map[string]string{"Password": password}))
	for _, args := range [][]string{
		{"create", "namespace", "outside"},
		{"create", "secret", "tls", "postgres", "-n", "outside", "--cert", filepath.Join(c.overlay(), "ca.crt"), "--key", filepath.Join(c.overlay(), "ca.key")},
		{"create", "configmap", "postgres", "-n", "outside", "--from-literal=tls.sql=" + haveTLS},
		{"apply", "-f", file},
	} {
		if err == nil {
			_, err = c.kubectl(ctx, args...)
		}
	}
	return err
}

// byTLS sees that the site has logged in, and never without TLS.
func (c *cluster) byTLS(ctx context.Context) error {
	log, err := c.kubectl(ctx, "logs", "-n", "outside", "deployment/postgres")
	if err != nil {
		return err
	}
	logins := strings.Count(log, "connection authorized: user=tale")
	if secure := strings.Count(log, "SSL enabled"); logins == 0 || secure < logins {
		return fmt.Errorf("%d of %d logins at the database are by TLS", secure, logins)
	}
	return nil
}
