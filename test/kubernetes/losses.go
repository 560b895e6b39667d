package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// loseNode cuts a node from everything. When the cluster has noticed, which is the node
// controller's patience and the time between two of its looks, visitors who come by the other
// node lose what is allowed.
func (c *cluster) loseNode(ctx context.Context, node string, allowed loss) (err error) {
	const noticed, looked = 50*time.Second + 10*time.Second, 20 * time.Second
	if err = c.onBothNodes(ctx); err == nil {
		err = ip(ctx, "link", "set", node, "down")
	}
	if err != nil {
		return err
	}
	err = c.stays(ctx, noticed, nothing)
	if err == nil {
		_, err = c.kubectl(ctx, "wait", "--for=condition=Ready=Unknown", "node/"+node, "--timeout=0")
	}
	if err == nil {
		err = c.under(ctx, allowed, func() error { return c.stays(ctx, looked, nothing) })
	}
	return errors.Join(err, ip(ctx, "link", "set", node, "up"), c.rolledOut(ctx, rolloutLimit))
}

// loseBackend cuts the node that the backend is on, which has its volume as well: pages and
// files are there, sockets are not, and all is when the node is back.
func (c *cluster) loseBackend(ctx context.Context) error {
	defer func(sockets int) { c.sockets = sockets }(c.sockets)
	c.sockets = 0
	const services, byOne, byTwo = "10.96.0.0/16", "10.250.0.11", "10.250.0.12"
	if err := ip(ctx, "route", "replace", services, "via", byTwo); err != nil {
		return err
	}
	err := c.loseNode(ctx, "node1", loss{})
	return errors.Join(err, ip(ctx, "route", "replace", services, "via", byOne), c.serves(ctx, backendPath))
}

func ip(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}

// zero stops the site as one does for maintenance, and starts it again.
func (c *cluster) zero(ctx context.Context) error {
	wanted := map[string]int{"deployment/proxy": 2, "deployment/platform": 3, "statefulset/convex": 1}
	scale := func(times int) error {
		for what, replicas := range wanted {
			if err := c.replicas(ctx, what, times*replicas); err != nil {
				return err
			}
		}
		return c.rolledOut(ctx, rolloutLimit)
	}
	if err := scale(0); err != nil {
		return err
	}
	return c.back(ctx, func() error { return scale(1) })
}

// deleteAll deletes every pod, which no disruption budget forbids.
func (c *cluster) deleteAll(ctx context.Context) error {
	return c.back(ctx, func() error {
		if _, err := c.kubectl(ctx, "delete", "-n", c.namespace, "pods", "--all", "--wait=false"); err != nil {
			return err
		}
		return c.rolledOut(ctx, rolloutLimit)
	})
}

// back does what brings the site back, and tells how long that took.
func (c *cluster) back(ctx context.Context, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return err
	}
	c.figures = append(c.figures, fmt.Sprintf("ready after %.1f s", time.Since(began).Seconds()))
	return c.serves(ctx, "/", "/favicon.svg", backendPath)
}

// quota makes a release where the namespace has room for what runs and, as
// docs/orchestrators.md says, for one pod more of each kind that is replaced beside the old ones.
func (c *cluster) quota(ctx context.Context) error {
	const name = "room"
	const hard = "pods=9,requests.cpu=1050m,requests.memory=1792Mi,limits.memory=8192Mi"
	if _, err := c.kubectl(ctx, "create", "quota", name, "-n", c.namespace, "--hard="+hard); err != nil {
		return err
	}
	err := eventually(ctx, time.Minute, func() error {
		used, err := c.kubectl(ctx, "get", "quota", name, "-n", c.namespace, "-o", "jsonpath={.status.used.pods}")
		if err == nil && used != "6" {
			err = fmt.Errorf("the quota counts %q pods, want 6", used)
		}
		return err
	})
	if err == nil {
		err = c.release(ctx, second)
	}
	_, removed := c.kubectl(ctx, "delete", "quota", name, "-n", c.namespace)
	return errors.Join(err, removed)
}
