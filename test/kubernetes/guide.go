package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// section is one of the guide whose commands are run, between what makes the situation that it
// is about and what shows that it was right and ends that situation.
type section struct {
	name          string
	before, after func(*cluster, context.Context) error
	prints        string // by one of its commands, if anything shows there
}

func sections() []section {
	nothing := func(*cluster, context.Context) error { return nil }
	settled := func(c *cluster, ctx context.Context) error { return c.rolledOut(ctx, rolloutLimit) }
	wanted := func(tag string) func(*cluster, context.Context) error {
		return func(c *cluster, _ context.Context) error { return c.want(tag) }
	}
	return []section{
		{name: "Install", before: wanted(first), after: settled},
		{name: "Upgrade, roll back, change a setting", before: wanted(second), after: settled, prints: "successfully rolled out"},
		{name: "Scale, drain", before: nothing, after: (*cluster).scaledAndDrained},
		{name: "Lose a node", before: (*cluster).silence, after: (*cluster).replaced},
		{name: "Give the volume to one pod", before: (*cluster).wantOnePods, after: (*cluster).backToMany},
		{name: "Read a failed push", before: (*cluster).refuse, after: (*cluster).backToFirst, prints: "Two modules have paths"},
		{name: "With Helm", before: (*cluster).moveOut, after: (*cluster).byChart, prints: "STATUS: deployed"},
	}
}

// followGuide runs every command of the guide as it stands there, but for the names of a node
// and of a release.
func (c *cluster) followGuide(ctx context.Context) error {
	text, err := os.ReadFile(c.guide)
	if err != nil {
		return err
	}
	all := commandsOf(string(text))
	for _, s := range sections() {
		commands := all[s.name]
		delete(all, s.name)
		if err := c.follow(ctx, s, commands); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for name := range all {
		err = errors.Join(err, fmt.Errorf("nothing runs the commands of %q", name))
	}
	return err
}

// commandsOf returns the blocks of commands of each section of a page.
func commandsOf(text string) map[string]string {
	all, name, block := map[string]string{}, "", ""
	for line := range strings.Lines(text) {
		if title, is := strings.CutPrefix(line, "## "); is {
			name = strings.TrimSpace(title)
		}
		code, indented := strings.CutPrefix(line, "    ")
		if !indented {
			block = ""
			continue
		}
		if block == "" {
			block, _, _ = strings.Cut(code, " ")
		}
		if block == "kubectl" || block == "helm" {
			all[name] += code
		}
	}
	return all
}

func (c *cluster) follow(ctx context.Context, s section, commands string) error {
	if commands == "" {
		return errors.New("the guide has no commands there")
	}
	if err := s.before(c, ctx); err != nil {
		return err
	}
	printed, err := c.shell(ctx, commands)
	if err == nil && !strings.Contains(printed, s.prints) {
		err = fmt.Errorf("none of\n%sprinted %q, but together: %s", commands, s.prints, printed)
	}
	if err != nil {
		return err
	}
	return s.after(c, ctx)
}

// shell runs commands of the guide beside the site's files, and returns what they print.
func (c *cluster) shell(ctx context.Context, commands string) (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	names := strings.NewReplacer("NODE", "node2", "1.1.0", second, "deploy/helm/tale", filepath.Join(here, c.chart))
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", names.Replace(commands))
	command.Dir = c.overlay()
	command.Env = append(os.Environ(), "PATH="+filepath.Join(c.dir, "bin")+":"+filepath.Join(c.tools, "bin")+":"+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", commands, err, out)
	}
	return string(out), err
}

// scaledAndDrained sees the six pods that the guide asks for, all on the node that is left.
func (c *cluster) scaledAndDrained(ctx context.Context) error {
	err := c.rolledOut(ctx, rolloutLimit)
	if err == nil {
		err = c.allOn(ctx, "node1", "platform", 6)
	}
	_, back := c.kubectl(ctx, "uncordon", "node2")
	return errors.Join(err, back, c.replicas(ctx, "deployment/platform", 3), c.spread(ctx))
}

// allOn sees that an app has so many pods, and has them on one node.
func (c *cluster) allOn(ctx context.Context, node, app string, count int) error {
	var pods struct{ Items []pod }
	if err := c.get(ctx, &pods, "pods", "-l", "app="+app); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if pod.Spec.NodeName != node {
			return fmt.Errorf("%s is on %s", pod.Metadata.Name, pod.Spec.NodeName)
		}
	}
	if len(pods.Items) != count {
		return fmt.Errorf("%s has %d pods, want %d", app, len(pods.Items), count)
	}
	return nil
}

// silence cuts a node off, until the cluster takes it for lost.
func (c *cluster) silence(ctx context.Context) error {
	if err := ip(ctx, "link", "set", "node2", "down"); err != nil {
		return err
	}
	_, err := c.kubectl(ctx, "wait", "--for=condition=Ready=Unknown", "node/node2", "--timeout=120s")
	return err
}

// replaced sees that the pods of the node which is said to be off are replaced at once.
func (c *cluster) replaced(ctx context.Context) error {
	const promised = time.Minute
	err := eventually(ctx, promised, func() error { return c.allOn(ctx, "node1", "platform", 3) })
	if err == nil {
		err = c.rolledOut(ctx, rolloutLimit)
	}
	_, untainted := c.kubectl(ctx, "taint", "nodes", "node2", "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute-")
	up := ip(ctx, "link", "set", "node2", "up")
	if up == nil {
		_, up = c.kubectl(ctx, "wait", "--for=condition=Ready", "node/node2", "--timeout=120s")
	}
	return errors.Join(err, untainted, up, c.spread(ctx))
}

// refuse applies a release whose functions the backend refuses, and waits for that.
func (c *cluster) refuse(ctx context.Context) error {
	if err := c.deploy(ctx, refused); err != nil {
		return err
	}
	_, err := c.kubectl(ctx, "wait", "-n", c.namespace, "--for=condition=Failed", "job/push-"+refused, "--timeout=120s")
	return err
}

func (c *cluster) backToFirst(ctx context.Context) error {
	return errors.Join(c.deploy(ctx, first), c.rolledOut(ctx, rolloutLimit))
}
