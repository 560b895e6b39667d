package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// nodeLoss has the pods of a node that is cut off be replaced in the time that the component's
// settings compute, and the volume of convex be one pod's.
func (c *cluster) nodeLoss(ctx context.Context) error {
	a := addition{
		components: []string{"node-loss"},
		volumes:    []volume{{name: "convex-pod", size: "20Gi", mode: "ReadWriteOncePod", folder: "convex"}},
	}
	return c.with(ctx, a, func() error {
		if err := errors.Join(c.onePods(ctx), c.onBothNodes(ctx)); err != nil {
			return err
		}
		err := ip(ctx, "link", "set", "node2", "down")
		if err == nil {
			err = c.replacedSoon(ctx)
		}
		return errors.Join(err, ip(ctx, "link", "set", "node2", "up"), c.rolledOut(ctx, rolloutLimit))
	})
}

// replacedSoon waits until the node that is left has all pods, and tells how long that took.
func (c *cluster) replacedSoon(ctx context.Context) error {
	// The node controller's patience and the time between two of its looks, what the pods tolerate, and
	// a start.
	const noticed, tolerated, start = 50 * time.Second, 30 * time.Second, 20 * time.Second
	began := time.Now()
	err := eventually(ctx, noticed+tolerated+start, func() error {
		return errors.Join(c.has(ctx, "node1", "platform", 3), c.has(ctx, "node1", "proxy", 2))
	})
	c.figures = append(c.figures, fmt.Sprintf("replaced after %.0f s", time.Since(began).Seconds()))
	return err
}

// has sees that a node has so many pods of an app that are ready and stay.
func (c *cluster) has(ctx context.Context, node, app string, count int) error {
	var pods struct{ Items []pod }
	if err := c.get(ctx, &pods, "pods", "-l", "app="+app); err != nil {
		return err
	}
	have := 0
	for _, pod := range pods.Items {
		if status := pod.Status.ContainerStatuses; pod.Spec.NodeName == node && pod.Metadata.DeletionTimestamp == "" && len(status) == 1 && status[0].Ready {
			have++
		}
	}
	if have != count {
		return fmt.Errorf("%s has %d pods of %s, want %d", node, have, app, count)
	}
	return nil
}

// thief is a pod that wants the volume of convex as well.
const thief = `apiVersion: v1
kind: Pod
metadata:
  name: thief
  namespace: tale
spec:
  securityContext: { runAsUser: 1001, runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }
  containers:
    - name: thief
      image: tale-e2e/tale-rag:e2e
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
  volumes:
    - { name: data, persistentVolumeClaim: { claimName: data-convex-0 } }
`

// onePods sees that no other pod gets the volume of convex.
func (c *cluster) onePods(ctx context.Context) error {
	path := filepath.Join(c.overlay(), "thief.yaml")
	if err := write(path, thief, nil); err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, "apply", "-f", path); err != nil {
		return err
	}
	err := eventually(ctx, patience, func() error {
		why, err := c.kubectl(ctx, "get", "pod", "thief", "-n", c.namespace, "-o", "jsonpath={.status.phase}: {.status.conditions[0].message}")
		if err == nil && (!strings.HasPrefix(why, "Pending") || !strings.Contains(why, "ReadWriteOncePod")) {
			err = fmt.Errorf("another pod that wants the volume of convex is %s", why)
		}
		return err
	})
	_, removed := c.kubectl(ctx, "delete", "-f", path)
	return errors.Join(err, removed)
}

// wantOnePods writes the kustomization of a site that takes the component while it runs.
func (c *cluster) wantOnePods(context.Context) error {
	c.added = addition{components: []string{"node-loss"}}
	return c.want(first)
}

// backToMany sees that the volume is one pod's, with what it had, and makes it a node's again.
func (c *cluster) backToMany(ctx context.Context) error {
	err := c.rolledOut(ctx, rolloutLimit)
	if err == nil {
		err = errors.Join(c.onePods(ctx), c.serves(ctx, "/", backendPath))
	}
	c.added = addition{}
	return errors.Join(err, c.remove(ctx), c.provide(ctx, convexVolume()), c.backToFirst(ctx))
}
