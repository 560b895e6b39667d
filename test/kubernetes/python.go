package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// python has Tale's services in Python, for which others stand in, beside the site: on the node of
// convex, with its files to read, reached by functions and by the proxy for their metrics and by
// nothing else, and no hindrance for a restart of convex.
func (c *cluster) python(ctx context.Context) error {
	a := addition{
		components: []string{"python"}, workloads: 2, secrets: []string{"rag", "crawler"},
		volumes: []volume{{name: "rag", size: "5Gi", mode: "ReadWriteOnce"}, {name: "crawler", size: "5Gi", mode: "ReadWriteOnce"}},
	}
	return c.with(ctx, a, func() error {
		if err := c.readsOnly(ctx, "rag", "crawler"); err != nil {
			return err
		}
		return c.isolated(ctx, func() error {
			if err := c.deletePod(ctx, "convex", loss{closes: true}, backendPath); err != nil {
				return err
			}
			return errors.Join(c.tryClosed(ctx, pythonArrows()), c.metricsOf(ctx, "rag", "crawler"), c.readsOnly(ctx, "rag", "crawler"))
		})
	})
}

// readsOnly sees that services can read what convex alone may read in its volume, cannot change
// it, and can write to their own.
func (c *cluster) readsOnly(ctx context.Context, services ...string) (err error) {
	const secret = "providers.key"
	own := filepath.Join(c.folderOf("convex"), secret)
	if err := os.WriteFile(own, []byte(secret), 0o600); err != nil {
		return err
	}
	const convexUser = 1001
	if err := os.Chown(own, convexUser, convexUser); err != nil {
		return err
	}
	for _, service := range services {
		const try = `cat /app/platform-config/` + secret + ` && ! touch /app/platform-config/mine 2>/dev/null && touch /app/data/mine`
		out, failed := c.kubectl(ctx, "exec", "-n", c.namespace, "deployment/"+service, "--", "sh", "-c", try)
		if failed == nil && out != secret {
			failed = fmt.Errorf("%s reads %q", service, out)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// metricsOf asks the proxy for the metrics of services, which it asks them for.
func (c *cluster) metricsOf(ctx context.Context, services ...string) error {
	address, err := c.address(ctx)
	for _, service := range services {
		body, failed := c.ask(ctx, "http://"+address+"/metrics/"+service, "Authorization: Bearer "+password)
		if failed == nil && !strings.HasPrefix(body, service+" of another make") {
			failed = fmt.Errorf("the metrics of %s are %q", service, body)
		}
		err = errors.Join(err, failed)
	}
	return err
}
