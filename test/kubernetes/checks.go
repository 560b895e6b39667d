package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func checks() []check {
	return []check{
		{"one apply: all is ready and pushed, and a page is there", (*cluster).install},
		{"a second release", func(c *cluster, ctx context.Context) error { return c.release(ctx, second) }},
	}
}

// deploy makes the release of a tag what is wanted, as an operator does: by changing the tags
// of the site's kustomization.
func (c *cluster) deploy(ctx context.Context, tag string) error {
	example, err := os.ReadFile(filepath.Join(c.kubernetes, "site", "kustomization.yaml"))
	if err != nil {
		return err
	}
	base, err := filepath.Abs(filepath.Join(c.kubernetes, "base"))
	if err == nil {
		base, err = filepath.Rel(c.overlay(), base) // kustomize takes no absolute path
	}
	if err != nil {
		return err
	}
	text := strings.NewReplacer(
		"- ../base #", "- "+base+" #",
		"    newTag: 1.0.0", "    newTag: "+tag,
		"- name: ghcr.io/tale-project/tale/tale-convex", "- name: ghcr.io/tale-project/tale/tale-convex\n    newName: tale-e2e/tale-convex",
		"- name: ghcr.io/tale-project/tale/tale-platform", "- name: ghcr.io/tale-project/tale/tale-platform\n    newName: tale-e2e/tale-platform",
		"- name: ghcr.io/tale-project/tale/tale-proxy", "- name: ghcr.io/tale-project/tale/tale-proxy\n    newName: tale-e2e/tale-proxy",
	).Replace(string(example))
	if err := os.WriteFile(filepath.Join(c.overlay(), "kustomization.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	// As docs/orchestrators.md says: what was pushed a moment ago is to be pushed again.
	if _, err := c.kubectl(ctx, "delete", "-n", namespace, "job", "-l", "app.kubernetes.io/name=push", "--ignore-not-found"); err != nil {
		return err
	}
	_, err = c.kubectl(ctx, "apply", "-k", c.overlay())
	return err
}

const (
	installLimit = 3 * time.Minute
	// rolloutLimit has room for the time that three pods keep the old ones, one after the other.
	rolloutLimit = 8 * time.Minute
)

// under does something to the site beside visitors, of whose requests so many may fail.
func (c *cluster) under(ctx context.Context, allowed int, do func() error) error {
	address, err := c.address(ctx)
	if err != nil {
		return err
	}
	v := newVisitors(address)
	if err := v.start(ctx, c.rate, c.sockets); err != nil {
		return err
	}
	done := do()
	figure, lost := v.finish(allowed)
	c.figures = append(c.figures, figure)
	return errors.Join(done, lost)
}

func (c *cluster) release(ctx context.Context, tag string) error {
	return c.under(ctx, 0, func() error {
		if err := c.deploy(ctx, tag); err != nil {
			return err
		}
		return c.rolledOut(ctx, rolloutLimit)
	})
}

// install applies everything at once. The push of a release must have been done before the first
// platform pod of it is ready.
func (c *cluster) install(ctx context.Context) error {
	began := time.Now()
	if err := c.deploy(ctx, first); err != nil {
		return err
	}
	if err := c.rolledOut(ctx, installLimit); err != nil {
		return err
	}
	c.figures = append(c.figures, fmt.Sprintf("ready and pushed after %.1f s", time.Since(began).Seconds()))
	address, err := c.address(ctx)
	if err != nil {
		return err
	}
	v := newVisitors(address)
	return eventually(ctx, time.Minute, func() error { return errors.Join(v.once(v.fresh, "/"), v.once(v.fresh, "/favicon.svg")) })
}

// workload is what is asked of a Deployment or a StatefulSet.
type workload struct {
	Metadata struct{ Name string }
	Spec     struct{ Replicas int }
	Status   struct{ ReadyReplicas, UpdatedReplicas, Replicas, AvailableReplicas int }
}

// rolledOut waits until every pod is of the newest template and ready.
func (c *cluster) rolledOut(ctx context.Context, limit time.Duration) error {
	return eventually(ctx, limit, func() error {
		var all struct{ Items []workload }
		if err := c.get(ctx, &all, "deployments,statefulsets"); err != nil {
			return err
		}
		if len(all.Items) != 3 {
			return fmt.Errorf("there are %d of 3 workloads", len(all.Items))
		}
		for _, w := range all.Items {
			if s := w.Status; s.ReadyReplicas != w.Spec.Replicas || s.UpdatedReplicas != w.Spec.Replicas || s.Replicas != w.Spec.Replicas {
				return fmt.Errorf("%s has %+v of %d", w.Metadata.Name, s, w.Spec.Replicas)
			}
		}
		var jobs struct {
			Items []struct{ Status struct{ Succeeded int } }
		}
		if err := c.get(ctx, &jobs, "jobs"); err != nil {
			return err
		}
		for _, job := range jobs.Items {
			if job.Status.Succeeded == 0 {
				return errors.New("the push is not done")
			}
		}
		return nil
	})
}

// address returns where visitors come in: the Service of the proxies.
func (c *cluster) address(ctx context.Context) (string, error) {
	ip, err := c.kubectl(ctx, "get", "-n", namespace, "service", "proxy", "-o", "jsonpath={.spec.clusterIP}")
	return net.JoinHostPort(ip, "80"), err
}
