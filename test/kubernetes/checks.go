package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// check is one line of the table.
type check struct {
	name string
	run  func(*cluster, context.Context) error
}

func checks() []check {
	none, closes := loss{}, loss{closes: true}
	return []check{
		{"one apply: all is ready and pushed, and a page is there", (*cluster).install},
		{"a rollout of the platform", func(c *cluster, ctx context.Context) error { return c.restart(ctx, "deployment/platform", none) }},
		{"a rollout of the proxy", func(c *cluster, ctx context.Context) error { return c.restart(ctx, "deployment/proxy", closes) }},
		{"a platform pod is deleted", func(c *cluster, ctx context.Context) error { return c.deletePod(ctx, "platform", none) }},
		{"a proxy pod is deleted", func(c *cluster, ctx context.Context) error { return c.deletePod(ctx, "proxy", closes) }},
		{"a node is drained", (*cluster).drain},
		{"platform pods 3, 6, 2, 3", (*cluster).scale},
		{"a second release", func(c *cluster, ctx context.Context) error { return c.release(ctx, second) }},
		{"a roll back", func(c *cluster, ctx context.Context) error { return c.release(ctx, first) }},
		{"a refused release stops at the first pod", (*cluster).refusal},
		{"a release of which there are no images", (*cluster).absence},
		{"a secret that is not the backend's", (*cluster).wrongSecret},
		{"a changed setting", (*cluster).setting},
		{"the backend restarts", (*cluster).restartBackend},
		{"a proxy is killed", (*cluster).killProxy},
		{"four platform pods do three times the work of one", (*cluster).capacity},
		{"the commands of the guide, in its order", (*cluster).followGuide},
		{"a release in a network that enforces the policies", (*cluster).isolate},
		{"component python", (*cluster).python},
		{"component letsencrypt", (*cluster).letsencrypt},
		{"component ingress", (*cluster).ingress},
		{"component external-database", (*cluster).externalDatabase},
		{"component autoscale by processors", (*cluster).autoscale},
		{"component autoscale-requests", (*cluster).autoscaleRequests},
		{"component node-loss", (*cluster).nodeLoss},
		{"a node is gone", func(c *cluster, ctx context.Context) error { return c.loseNode(ctx, "node2", loss{}) }},
		{"the node of the backend is gone", (*cluster).loseBackend},
		{"another release with no more room than it needs", (*cluster).quota},
		{"all is scaled to zero and back", (*cluster).zero},
		{"all pods are deleted at once", (*cluster).deleteAll},
	}
}

// rolloutLimit has room for the time that three pods keep the old ones, one after the other.
const rolloutLimit = 8 * time.Minute

// under does something to the site beside visitors, who may lose that much.
func (c *cluster) under(ctx context.Context, allowed loss, do func() error, paths ...string) error {
	v, err := c.visitors(ctx, paths...)
	if err != nil {
		return err
	}
	if err := v.start(ctx, c.rate, c.sockets); err != nil {
		return err
	}
	const after = 5 * time.Second // for what is lost late
	done := errors.Join(do(), c.stays(ctx, after, nothing))
	figure, lost := v.finish(allowed)
	c.figures = append(c.figures, figure)
	return errors.Join(done, lost)
}

func (c *cluster) restart(ctx context.Context, what string, allowed loss) error {
	return c.under(ctx, allowed, func() error {
		if _, err := c.kubectl(ctx, "rollout", "restart", "-n", c.namespace, what); err != nil {
			return err
		}
		if _, err := c.kubectl(ctx, "rollout", "status", "-n", c.namespace, what, "--timeout", rolloutLimit.String()); err != nil {
			return err
		}
		return c.rolledOut(ctx, rolloutLimit)
	})
}

func (c *cluster) deletePod(ctx context.Context, app string, allowed loss, paths ...string) error {
	return c.under(ctx, allowed, func() error {
		name, err := c.kubectl(ctx, "get", "pods", "-n", c.namespace, "-l", "app="+app, "-o", "jsonpath={.items[0].metadata.name}")
		if err == nil {
			_, err = c.kubectl(ctx, "delete", "pod", "-n", c.namespace, name)
		}
		if err != nil {
			return err
		}
		return c.rolledOut(ctx, rolloutLimit)
	}, paths...)
}

// restartBackend asks what the backend answers, which is held meanwhile.
func (c *cluster) restartBackend(ctx context.Context) error {
	const heldFor = 2 * time.Second
	return c.deletePod(ctx, "convex", loss{slowest: heldFor, closes: true}, backendPath)
}

// drain takes the node that the backend is not on.
func (c *cluster) drain(ctx context.Context) error {
	err := c.under(ctx, loss{closes: true}, func() error {
		if _, err := c.kubectl(ctx, "drain", "node2", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout", rolloutLimit.String()); err != nil {
			return err
		}
		return c.rolledOut(ctx, rolloutLimit)
	})
	_, back := c.kubectl(ctx, "uncordon", "node2")
	return errors.Join(err, back, c.spread(ctx))
}

// spread has a proxy and platform pods on both nodes again: nothing moves back by itself.
func (c *cluster) spread(ctx context.Context) error {
	if _, err := c.kubectl(ctx, "rollout", "restart", "-n", c.namespace, "deployment/proxy", "deployment/platform"); err != nil {
		return err
	}
	return errors.Join(c.rolledOut(ctx, rolloutLimit), c.onBothNodes(ctx))
}

// onBothNodes sees that one node is enough for the site.
func (c *cluster) onBothNodes(ctx context.Context) error {
	for _, app := range []string{"proxy", "platform"} {
		var pods struct{ Items []pod }
		if err := c.get(ctx, &pods, "pods", "-l", "app="+app); err != nil {
			return err
		}
		nodes := map[string]bool{}
		for _, pod := range pods.Items {
			nodes[pod.Spec.NodeName] = true
		}
		if len(nodes) < 2 {
			return fmt.Errorf("all pods of %s are on one node", app)
		}
	}
	return nil
}

func (c *cluster) scale(ctx context.Context) error {
	return c.under(ctx, loss{}, func() error {
		for _, replicas := range []int{6, 2, 3} {
			if err := c.replicas(ctx, "deployment/platform", replicas); err != nil {
				return err
			}
			if err := c.rolledOut(ctx, rolloutLimit); err != nil {
				return err
			}
		}
		return nil
	})
}

// killProxy kills a process of a proxy: what it has under way is lost, and its sockets are.
func (c *cluster) killProxy(ctx context.Context) error {
	const looked = 15 * time.Second // 750 requests
	return c.under(ctx, loss{requests: 2, sockets: c.sockets, handshakes: c.sockets, closes: true}, func() error {
		out, err := exec.CommandContext(ctx, "pkill", "-9", "-o", "-x", "proxy").CombinedOutput()
		if err != nil {
			return fmt.Errorf("cannot kill a proxy: %w: %s", err, out)
		}
		if err := c.stays(ctx, looked, nothing); err != nil {
			return err
		}
		return c.rolledOut(ctx, rolloutLimit)
	})
}

func nothing() error { return nil }

// stays sees for some time that nothing is wrong.
func (c *cluster) stays(ctx context.Context, limit time.Duration, look func() error) error {
	over := time.NewTimer(limit)
	defer over.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-over.C:
			return nil
		case <-tick.C:
			if err := look(); err != nil {
				return err
			}
		}
	}
}
