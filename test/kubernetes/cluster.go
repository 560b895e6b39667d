package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

const (
	// siteNamespace is where the base puts the site.
	siteNamespace = "tale"
	// site is the host that visitors ask for.
	site = "tale.example.com"
	// password is that of the database, and the token for metrics.
	password = "kubernetes-check"
	// nameserver is the address of the cluster's names, which kubelet gives to pods.
	nameserver = "10.250.0.1"
)

// cluster is the cluster beside us and the site in it.
type cluster struct {
	options
	namespace string        // where the site is
	names     *exec.Cmd     // nil until names are served
	kept      time.Duration // for how long names are kept
	push      string        // the Job that is to be done, until that was seen
	entrance  *entrance     // nil for the Service of the proxies
	added     addition      // to the base
	backend   string        // the newest release of convex that was there
	figures   []string      // of the check that runs
}

// entrance is where visitors come in by TLS.
type entrance struct {
	address string
	secure  *tls.Config
}

// newCluster prepares what is there before a site is: its volume and its database.
func newCluster(ctx context.Context, o options) (*cluster, error) {
	c := &cluster{options: o, namespace: siteNamespace}
	secret, err := exec.CommandContext(ctx, "openssl", "rand", "-hex", "32").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot make a secret: %w", err)
	}
	values := map[string]string{
		"Password": password, "Secret": strings.TrimSpace(string(secret)),
	}
	if err := os.MkdirAll(c.overlay(), 0o755); err != nil {
		return nil, err
	}
	for name, text := range files() {
		if err := write(filepath.Join(c.overlay(), name), text, values); err != nil {
			return nil, err
		}
	}
	_, err = c.kubectl(ctx, "apply", "-f", filepath.Join(c.overlay(), "surroundings.yaml"))
	if err == nil { // a site finds its database running: the time of an installation is without it
		_, err = c.kubectl(ctx, "rollout", "status", "-n", "db", "deployment/db", "--timeout", "2m")
	}
	return c, errors.Join(err, c.provide(ctx, convexVolume()))
}

// overlay returns the folder of the site's own kustomization.
func (c *cluster) overlay() string { return filepath.Join(c.dir, "site") }

func write(path, text string, values any) error {
	var out bytes.Buffer
	if err := template.Must(template.New(filepath.Base(path)).Parse(text)).Execute(&out, values); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

// kubectl runs the command and returns what it prints.
func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(c.tools, "bin", "kubectl"), args...)
	command.Dir = c.dir
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s%s", strings.Join(args, " "), err, out.String(), said.String())
	}
	return out.String(), nil
}

// get decodes an object of the site's namespace, or a list of them.
func (c *cluster) get(ctx context.Context, into any, args ...string) error {
	out, err := c.kubectl(ctx, append([]string{"get", "-n", c.namespace, "-o", "json"}, args...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), into)
}

// eventually asks until there is no error, and returns the last one after the limit.
func eventually(ctx context.Context, limit time.Duration, ask func() error) error {
	const pause = 250 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", limit, errors.Join(err, context.Cause(ctx)))
		case <-tick.C:
		}
	}
}

// serveNames has the cluster's names be kept for some seconds, by what serves them and, where that
// is long, by a cache before it.
func (c *cluster) serveNames(ctx context.Context, ttl int) error {
	if c.names != nil {
		_ = c.names.Process.Kill()
		_ = c.names.Wait() // we killed it
	}
	cache := ""
	if ttl > 5 {
		cache = fmt.Sprintf("  cache %d\n", ttl)
	}
	file := filepath.Join(c.dir, "Corefile")
	text := fmt.Sprintf("cluster.local:53 {\n  bind %[1]s\n  errors\n%[2]s  kubernetes cluster.local {\n    kubeconfig %[3]s/admin.kubeconfig\n    ttl %[4]d\n  }\n}\n"+
		".:53 {\n  bind %[1]s\n  template IN A %[5]s {\n    answer \"{{ .Name }} 60 IN A %[6]s\"\n  }\n  template IN ANY . {\n    rcode NXDOMAIN\n  }\n}\n", nameserver, cache, c.dir, ttl, site, balancer)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(c.dir, "log", "coredns"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	c.kept = time.Duration(ttl) * time.Second
	c.names = exec.CommandContext(ctx, filepath.Join(c.tools, "coredns"), "-conf", file)
	c.names.Stdout, c.names.Stderr = log, log
	return c.names.Start()
}
