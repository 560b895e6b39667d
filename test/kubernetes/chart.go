package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// byHelm is the namespace of the guide's section about Helm.
const byHelm = "shop"

// moveOut makes room for a site by the chart, with the same volume and database: the base's is
// removed with its namespace.
func (c *cluster) moveOut(ctx context.Context) error {
	if err := c.remove(ctx); err != nil {
		return err
	}
	c.namespace = byHelm
	programs := filepath.Join(c.dir, "bin")
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return err
	}
	return errors.Join(os.Symlink(c.helm, filepath.Join(programs, "helm")), c.wantByChart(first))
}

// wantByChart writes the values of a release.
func (c *cluster) wantByChart(tag string) error {
	const registry = "tale-e2e"
	text := fmt.Sprintf("host: %s\nimages: { registry: %s, tag: %s, convex: { tag: %s } }\n", site, registry, tag, c.backendOf(tag))
	return os.WriteFile(filepath.Join(c.overlay(), "shop.yaml"), []byte(text), 0o600)
}

// byChart has visitors notice nothing of an upgrade and a roll back by the chart, and goes back to
// the base.
func (c *cluster) byChart(ctx context.Context) error {
	err := c.rolledOut(ctx, rolloutLimit)
	if err == nil {
		err = c.serves(ctx, "/", "/favicon.svg")
	}
	for _, tag := range []string{second, first} {
		if err != nil {
			break
		}
		err = c.under(ctx, loss{closes: true}, func() error {
			c.push = "push-" + tag
			if err := c.wantByChart(tag); err != nil {
				return err
			}
			if _, err := c.shell(ctx, "helm -n shop upgrade tale deploy/helm/tale -f shop.yaml"); err != nil {
				return err
			}
			return c.rolledOut(ctx, rolloutLimit)
		})
	}
	if err == nil {
		_, err = c.shell(ctx, "helm -n shop uninstall tale --wait")
	}
	err = errors.Join(err, os.RemoveAll(filepath.Join(c.dir, "bin")), c.remove(ctx))
	c.namespace = siteNamespace
	return errors.Join(err, c.backToFirst(ctx))
}

// remove removes the site's namespace. The volume waits for the next claim.
func (c *cluster) remove(ctx context.Context) error {
	if _, err := c.kubectl(ctx, "delete", "namespace", c.namespace, "--timeout=180s"); err != nil {
		return err
	}
	_, err := c.kubectl(ctx, "patch", "persistentvolume", "convex", "--type=merge", "--patch", `{"spec": {"claimRef": null}}`)
	return err
}
