package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// addition is what a site has besides the base: components, and what each needs of the site.
type addition struct {
	components []string
	workloads  int // Deployments besides those of the base
	settings   []string
	secrets    []string          // generated of files NAME.env
	maps       []string          // "NAME: FILE", a ConfigMap of a file beside the kustomization
	files      map[string]string // instead of those of the base's site
	text       string            // of the kustomization
	volumes    []volume          // for claims, each on the first node
}

// volume is one for the claim that it names, or for any, which gets the smallest that is large
// enough. Its folder may be that of another one.
type volume struct{ name, size, mode, claim, folder string }

// writeTo returns the text of the kustomization with what is added.
func (a addition) writeTo(text string) string {
	var components, secrets, maps strings.Builder
	for _, name := range a.components {
		fmt.Fprintf(&components, "\n  - ../components/%s", name)
	}
	for _, name := range a.secrets {
		fmt.Fprintf(&secrets, "  - { name: %[1]s, envs: [%[1]s.env] }\n", name)
	}
	for _, one := range a.maps {
		name, file, _ := strings.Cut(one, ": ")
		fmt.Fprintf(&maps, "  - { name: %s, files: [%s] }\n", name, file)
	}
	const proxys = "  - { name: proxy, envs: [proxy.env] }\n"
	if a.components != nil {
		text = strings.Replace(text, "components: []", "components:"+components.String(), 1)
	}
	return strings.NewReplacer(proxys, proxys+secrets.String(), "generatorOptions:", maps.String()+"generatorOptions:").Replace(text) + a.text
}

// with makes the site anew with an addition, tries that, and goes back to the base.
func (c *cluster) with(ctx context.Context, a addition, try func() error) error {
	err := c.remove(ctx)
	for _, v := range a.volumes {
		err = errors.Join(err, c.provide(ctx, v))
	}
	restore, failed := c.swap(a.files)
	err = errors.Join(err, failed)
	c.added = a
	if err == nil {
		err = c.backToFirst(ctx)
	}
	if err == nil {
		err = try()
	}
	err = errors.Join(err, c.remove(ctx), restore())
	for _, v := range a.volumes {
		_, removed := c.kubectl(ctx, "delete", "persistentvolume", v.name)
		err = errors.Join(err, removed)
	}
	c.added = addition{}
	return errors.Join(err, c.backToFirst(ctx))
}

// convexVolume returns that of the base's claim.
func convexVolume() volume { return volume{name: "convex", size: "20Gi", mode: "ReadWriteOnce"} }

// swap writes files beside the kustomization, and returns what writes the former ones again.
func (c *cluster) swap(files map[string]string) (restore func() error, err error) {
	former := map[string]string{}
	for name, text := range files {
		path := filepath.Join(c.overlay(), name)
		old, failed := os.ReadFile(path)
		former[name] = string(old)
		err = errors.Join(err, failed, os.WriteFile(path, []byte(text), 0o600))
	}
	return func() error {
		_, err := c.swap(former)
		return err
	}, err
}

// folderOf returns where the content of a volume is.
func (c *cluster) folderOf(volume string) string { return filepath.Join(c.dir, "volume-"+volume) }

// provide makes a volume on the first node.
func (c *cluster) provide(ctx context.Context, v volume) error {
	folder := c.folderOf(cmp.Or(v.folder, v.name))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	path := filepath.Join(c.overlay(), "volume.yaml")
	values := map[string]string{"Name": v.name, "Size": v.size, "Mode": v.mode, "Folder": folder, "Claim": v.claim}
	if err := write(path, onFirstNode, values); err != nil {
		return err
	}
	_, err := c.kubectl(ctx, "apply", "-f", path)
	return err
}

// ask returns the body of a good answer to a request for the site, as what ends TLS sends it.
func (c *cluster) ask(ctx context.Context, url string, headers ...string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Host = site
	request.Header.Set("X-Forwarded-Proto", "https")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return string(body), err
}
