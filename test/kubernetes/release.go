package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// deploy makes the release of a tag what is wanted, as an operator does: by changing the tags,
// and perhaps settings, of the site's kustomization.
func (c *cluster) deploy(ctx context.Context, tag string, settings ...string) error {
	if err := c.want(tag, settings...); err != nil {
		return err
	}
	// As docs/orchestrators.md says: what was pushed a moment ago is to be pushed again.
	if _, err := c.kubectl(ctx, "delete", "-n", c.namespace, "job", "-l", "app.kubernetes.io/name=push", "--ignore-not-found"); err != nil {
		return err
	}
	c.push = "push-" + tag
	_, err := c.kubectl(ctx, "apply", "-k", c.overlay())
	return err
}

// want writes the site's kustomization for the release of a tag.
func (c *cluster) want(tag string, settings ...string) error {
	example, err := os.ReadFile(filepath.Join(c.kubernetes, "site", "kustomization.yaml"))
	if err != nil {
		return err
	}
	folder, err := filepath.Abs(c.kubernetes)
	if err == nil {
		folder, err = filepath.Rel(c.overlay(), folder) // kustomize takes no absolute path
	}
	if err != nil {
		return err
	}
	text := strings.NewReplacer(
		"../base #", folder+"/base #",
		"../components/", folder+"/components/",
		"HOST=", strings.Join(slices.Concat(c.added.settings, settings, []string{"HOST="}), "\n      - "),
		"tale-convex\n    newTag: 1.0.0", "tale-convex\n    newName: tale-e2e/tale-convex\n    newTag: "+c.backendOf(tag),
		"    newTag: 1.0.0", "    newTag: "+tag,
		"- name: ghcr.io/tale-project/tale/tale-platform", "- name: ghcr.io/tale-project/tale/tale-platform\n    newName: tale-e2e/tale-platform",
		"- name: ghcr.io/tale-project/tale/tale-proxy", "- name: ghcr.io/tale-project/tale/tale-proxy\n    newName: tale-e2e/tale-proxy",
		"images:\n", "images:\n  - { name: ghcr.io/tale-project/tale/tale-rag, newName: tale-e2e/tale-rag }\n  - { name: ghcr.io/tale-project/tale/tale-crawler, newName: tale-e2e/tale-crawler }\n",
	).Replace(c.added.writeTo(string(example)))
	return os.WriteFile(filepath.Join(c.overlay(), "kustomization.yaml"), []byte(text), 0o600)
}

// backendOf returns the release of convex that goes with one of the site: a roll back leaves it,
// since its data only goes forward.
func (c *cluster) backendOf(tag string) string {
	backend := max(tag, c.backend)
	if backend != absent {
		c.backend = backend
	}
	return backend
}

// install applies everything at once.
func (c *cluster) install(ctx context.Context) error {
	const limit, promised = 3 * time.Minute, 15 * time.Second
	began := time.Now()
	if err := c.deploy(ctx, first); err != nil {
		return err
	}
	if err := c.rolledOut(ctx, limit); err != nil {
		return err
	}
	took := time.Since(began)
	c.figures = append(c.figures, fmt.Sprintf("ready and pushed after %.1f s", took.Seconds()))
	err := errors.Join(c.serves(ctx, "/", "/favicon.svg"), c.onBothNodes(ctx))
	if err == nil && took > promised {
		err = fmt.Errorf("ready and pushed after %s, which is to be at most %s", took, promised)
	}
	return err
}

// replicas has the cluster run so many pods of a workload, and does not wait for them.
func (c *cluster) replicas(ctx context.Context, what string, count int) error {
	_, err := c.kubectl(ctx, "scale", "-n", c.namespace, what, "--replicas", strconv.Itoa(count))
	return err
}

// serves asks for all of the paths until they are answered.
func (c *cluster) serves(ctx context.Context, paths ...string) error {
	v, err := c.visitors(ctx)
	if err != nil {
		return err
	}
	return eventually(ctx, time.Minute, func() (err error) {
		for _, path := range paths {
			err = errors.Join(err, v.once(v.fresh, path))
		}
		return err
	})
}

// release has visitors notice nothing of a release, or of a setting, but that sockets are closed.
func (c *cluster) release(ctx context.Context, tag string, settings ...string) error {
	return c.under(ctx, loss{closes: true}, func() error {
		if err := c.deploy(ctx, tag, settings...); err != nil {
			return err
		}
		return c.rolledOut(ctx, rolloutLimit)
	})
}

// setting changes one of those that all have, and sees that it has arrived.
func (c *cluster) setting(ctx context.Context) error {
	if err := c.release(ctx, first, "TALE_LOG_LEVEL=debug"); err != nil {
		return err
	}
	log, err := c.kubectl(ctx, "logs", "-n", c.namespace, "deployment/platform")
	if err == nil && !strings.Contains(log, `"DEBUG"`) && !strings.Contains(log, `"debug"`) {
		err = errors.New("a platform pod does not log what it was told to")
	}
	return err
}

// refusal applies a release whose functions the backend refuses.
func (c *cluster) refusal(ctx context.Context) error {
	return c.stuck(ctx, loss{closes: true}, func() error { return c.refuse(ctx) })
}

// absence applies a release of which there are no images. There is one backend, and it is gone.
func (c *cluster) absence(ctx context.Context) error {
	const all = math.MaxInt
	return c.stuck(ctx, loss{handshakes: all, closes: true}, func() error { return c.deploy(ctx, absent) })
}

// wrongSecret gives the platform another secret than the backend has.
func (c *cluster) wrongSecret(ctx context.Context) error {
	path := filepath.Join(c.overlay(), "platform.env")
	right, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return c.stuck(ctx, loss{}, func() error {
		wrong := "INSTANCE_SECRET=" + strings.Repeat("ab", 32) + "\n"
		err := os.WriteFile(path, []byte(wrong), 0o600)
		if err == nil {
			err = c.deploy(ctx, first)
		}
		return errors.Join(err, os.WriteFile(path, right, 0o600))
	})
}

// stuck does what leaves no new pod able to serve. The old ones stay for as long as it lasts, and
// the first release can be applied over it.
func (c *cluster) stuck(ctx context.Context, allowed loss, do func() error) error {
	const lasts = 30 * time.Second
	return c.under(ctx, allowed, func() error {
		old, _, err := c.platformPods(ctx)
		if err == nil {
			err = do()
		}
		if err == nil {
			err = c.stays(ctx, lasts, func() error { _, err := c.onlyServe(ctx, old); return err })
		}
		if err == nil {
			err = c.oneWaits(ctx, old)
		}
		if err == nil {
			err = c.deploy(ctx, first)
		}
		if err != nil {
			return err
		}
		return c.rolledOut(ctx, rolloutLimit)
	})
}

// pod is what is asked of one.
type pod struct {
	Metadata struct{ Name, DeletionTimestamp string }
	Spec     struct{ NodeName string }
	Status   struct {
		ContainerStatuses []struct{ Ready, Started bool }
	}
}

// platformPods returns the names of those that serve, and of those that do not yet.
func (c *cluster) platformPods(ctx context.Context) (serving, waiting []string, err error) {
	var pods struct{ Items []pod }
	err = c.get(ctx, &pods, "pods", "-l", "app=platform")
	for _, pod := range pods.Items {
		if len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].Started && pod.Status.ContainerStatuses[0].Ready {
			serving = append(serving, pod.Metadata.Name)
		} else {
			waiting = append(waiting, pod.Metadata.Name)
		}
	}
	return serving, waiting, err
}

// oneWaits sees that there is a new pod, and only one.
func (c *cluster) oneWaits(ctx context.Context, old []string) error {
	waiting, err := c.onlyServe(ctx, old)
	if err == nil && len(waiting) != 1 {
		err = fmt.Errorf("%v wait, want one", waiting)
	}
	return err
}

// onlyServe sees that the old pods serve and at most one waits, which comes after a moment.
func (c *cluster) onlyServe(ctx context.Context, old []string) (waiting []string, err error) {
	serving, waiting, err := c.platformPods(ctx)
	if err == nil && (!slices.Equal(serving, old) || len(waiting) > 1) {
		err = fmt.Errorf("%v serve and %v wait, but only %v are to serve, and one is to wait", serving, waiting, old)
	}
	return waiting, err
}

// workload is what is asked of a Deployment or a StatefulSet.
type workload struct {
	Metadata struct {
		Name       string
		Generation int
	}
	Spec   struct{ Replicas int }
	Status struct{ ObservedGeneration, ReadyReplicas, UpdatedReplicas, Replicas int }
}

// rolledOut waits until every pod is of the newest template and ready, the old ones have ended, and
// the push is done.
func (c *cluster) rolledOut(ctx context.Context, limit time.Duration) error {
	return eventually(ctx, limit, func() error { return errors.Join(c.workloadsReady(ctx), c.pushed(ctx), c.noneEnds(ctx)) })
}

func (c *cluster) workloadsReady(ctx context.Context) error {
	var all struct{ Items []workload }
	if err := c.get(ctx, &all, "deployments,statefulsets"); err != nil {
		return err
	}
	if want := 3 + c.added.workloads; len(all.Items) != want {
		return fmt.Errorf("there are %d of %d workloads", len(all.Items), want)
	}
	var err error
	for _, w := range all.Items {
		want := w.Status
		want.ObservedGeneration, want.ReadyReplicas, want.UpdatedReplicas, want.Replicas = w.Metadata.Generation, w.Spec.Replicas, w.Spec.Replicas, w.Spec.Replicas
		if w.Status != want {
			err = errors.Join(err, fmt.Errorf("%s has %+v, want %+v", w.Metadata.Name, w.Status, want))
		}
	}
	return err
}

// pushed sees that every push is done, and that there is one of the release that was applied last;
// of that it is seen once, since the cluster removes it after a while.
func (c *cluster) pushed(ctx context.Context) error {
	var jobs struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct{ Succeeded int }
		}
	}
	if err := c.get(ctx, &jobs, "jobs"); err != nil {
		return err
	}
	awaited := c.push
	for _, job := range jobs.Items {
		if job.Status.Succeeded == 0 {
			return fmt.Errorf("%s is not done", job.Metadata.Name)
		}
		if strings.HasPrefix(job.Metadata.Name, awaited) {
			awaited = ""
		}
	}
	if awaited != "" {
		return fmt.Errorf("there is no %s", awaited)
	}
	c.push = ""
	return nil
}

func (c *cluster) noneEnds(ctx context.Context) error {
	var pods struct{ Items []pod }
	if err := c.get(ctx, &pods, "pods"); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if pod.Metadata.DeletionTimestamp != "" {
			return fmt.Errorf("%s has not ended", pod.Metadata.Name)
		}
	}
	return nil
}

// visitors returns those who come in where the site has its entrance.
func (c *cluster) visitors(ctx context.Context, paths ...string) (*visitors, error) {
	if c.entrance != nil {
		return newVisitors(c.entrance.address, paths...).by(c.entrance.secure), nil
	}
	address, err := c.address(ctx)
	return newVisitors(address, paths...), err
}

// address returns the Service of the proxies.
func (c *cluster) address(ctx context.Context) (string, error) {
	ip, err := c.kubectl(ctx, "get", "-n", c.namespace, "service", "proxy", "-o", "jsonpath={.spec.clusterIP}")
	return net.JoinHostPort(ip, "80"), err
}
