package engine_test

import (
	"context"
	"encoding/base64"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const shop = "registry.example:5000/team/shop:1.4"

func TestImages(t *testing.T) {
	server, e := fake(t)
	ctx := t.Context()
	added := server.AddImage(enginetest.Image{Tags: []string{shop, "other:1"}, Arch: "arm64", Size: 5, Labels: map[string]string{"a": "b"}})
	for _, name := range []string{shop, added.ID, "registry.example:5000/team/shop@" + added.Digest} {
		i, found, err := e.Image(ctx, name)
		if err != nil || !found || i.ID != added.ID || i.Arch != "arm64" || i.OS != "linux" || i.Size != 5 || i.Labels["a"] != "b" || !slices.Contains(i.Digests, "registry.example:5000/team/shop@"+added.Digest) {
			t.Errorf("%s: %+v %v %v", name, i, found, err)
		}
	}
	if _, found, err := e.Image(ctx, "none:1"); found || err != nil {
		t.Error(found, err)
	}
	if list := must[[]engine.Image](t)(e.Images(ctx)); len(list) != 1 || len(list[0].Tags) != 2 {
		t.Errorf("%+v", list)
	}
	server.AddContainer(enginetest.Container{Name: "web", Image: shop})
	if err := e.RemoveImage(ctx, "other:1"); err != nil {
		t.Error(err)
	}
	if err := e.RemoveImage(ctx, shop); !engine.IsConflict(err) {
		t.Errorf("an image in use: %v", err)
	}
}

func TestPullTellsHowFarItIs(t *testing.T) {
	server, e := fake(t)
	remote := server.AddRemote(enginetest.Image{Tags: []string{shop}, Size: 1000})
	var seen []engine.Progress
	if err := e.Pull(t.Context(), shop, func(p engine.Progress) { seen = append(seen, p) }); err != nil {
		t.Fatal(err)
	}
	half, last := seen[2], seen[len(seen)-1]
	if half.Current != 500 || half.Total != 1000 {
		t.Errorf("half way: %+v", half)
	}
	if last.Current != 1000 || last.Total != 1000 {
		t.Errorf("at the end: %+v", last)
	}
	if _, found, err := e.Image(t.Context(), shop); !found || err != nil {
		t.Errorf("the image is not there: %v", err)
	}
	if err := e.Pull(t.Context(), "registry.example:5000/team/shop@"+remote.Digest, nil); err != nil {
		t.Errorf("by digest: %v", err)
	}
}

func TestPullGoesOnAfterABreak(t *testing.T) {
	for name, fault := range map[string]enginetest.Fault{
		"cut in mid-stream":    {Cut: 150},
		"no answer":            {Drop: true},
		"the registry's side":  {Stream: "read tcp 10.0.0.1:443: connection reset by peer"},
		"the registry is slow": {Stream: "net/http: TLS handshake timeout"},
		"the registry is down": {Status: 500, Message: "received unexpected HTTP status: 503 Service Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, e := fake(t)
			server.AddRemote(enginetest.Image{Tags: []string{shop}})
			server.Fault("POST", "/images/create", fault, 1)
			if err := e.Pull(t.Context(), shop, nil); err != nil {
				t.Error(err)
			}
			if calls := server.Changes(); len(calls) != 2 {
				t.Errorf("%v", calls)
			}
		})
	}
}

func TestPullGivesUpAndEndsWithTheContext(t *testing.T) {
	server, e := fake(t)
	server.Fault("POST", "/images/create", enginetest.Fault{Cut: 10}, -1)
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupt := errors.New("interrupted by the user")
	ended := make(chan error, 1)
	go func() { ended <- e.Pull(ctx, shop, nil) }()
	testkit.Eventually(t, "it tries again", func() bool { return len(server.Changes()) > 1 })
	cancel(interrupt)
	if err := <-ended; !errors.Is(err, interrupt) {
		t.Error(err)
	}
}

// registrySays are words of Docker 20.10, of 29 with its new image store, and of
// registries.
var registrySays = map[string]struct {
	words string
	code  int
	says  []string
}{
	"401":                    {"unauthorized: authentication required", exit.NoPermission, []string{"docker login registry.example:5000", "401"}},
	"401 without basic auth": {"Head \"https://registry.example:5000/v2/team/shop/manifests/1.4\": no basic auth credentials", exit.NoPermission, []string{"docker login registry.example:5000"}},
	"401 of containerd":      {"failed to resolve reference \"" + shop + "\": unexpected status from HEAD request to https://registry.example:5000/v2/: 401 Unauthorized", exit.NoPermission, []string{"401"}},
	"expired":                {"Get \"https://registry.example:5000/v2/\": unauthorized: incorrect username or password", exit.NoPermission, []string{"docker login"}},
	"403":                    {"pull access denied for registry.example:5000/team/shop, repository does not exist or may require 'docker login': denied: requested access to the resource is denied", exit.NoPermission, []string{"403", "docker login registry.example:5000"}},
	"403 of containerd":      {"pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed", exit.NoPermission, []string{"403"}},
	"404":                    {"manifest for " + shop + " not found: manifest unknown: manifest unknown", exit.Config, []string{"404", "version"}},
	"404 of containerd":      {"failed to resolve reference \"" + shop + "\": " + shop + ": not found", exit.Config, []string{"404"}},
	"404 repository":         {"repository name not known to registry: name unknown", exit.Config, []string{"404"}},
	"429":                    {"toomanyrequests: You have reached your pull rate limit", exit.Unavailable, []string{"429", "wait"}},
	"429 of containerd":      {"unexpected status code https://registry.example:5000/v2/: 429 Too Many Requests", exit.Unavailable, []string{"429"}},
	"another platform":       {"no matching manifest for linux/arm64/v8 in the manifest list entries", exit.Config, []string{"linux/arm64", "platform"}},
	"another platform, 29":   {"image with reference " + shop + " was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64", exit.Config, []string{"linux/arm64"}},
	"full":                   {"write /var/lib/docker/tmp/GetImageBlob123: no space left on device", exit.Failure, []string{"disk", "full", "tale cleanup"}},
	"no such host":           {"Get \"https://registry.example:5000/v2/\": dial tcp: lookup registry.example: no such host", exit.Unavailable, []string{"no such host", "can its host reach registry.example:5000"}},
	"refused":                {"dial tcp 10.0.0.1:4013: connect: connection refused", exit.Unavailable, []string{"connection refused"}},
	"plain HTTP":             {"http: server gave HTTP response to HTTPS client", exit.Unavailable, []string{"HTTPS client"}},
	"unknown authority":      {"x509: certificate signed by unknown authority", exit.Unavailable, []string{"x509"}},
}

func TestWhatARegistryMeans(t *testing.T) {
	for name, tt := range registrySays {
		t.Run(name, func(t *testing.T) {
			server, e := fake(t)
			ctx := t.Context()
			server.Fault("POST", "/images/create", enginetest.Fault{Stream: tt.words}, 1)
			testkit.WantError(t, e.Pull(ctx, shop, nil), tt.code, append(tt.says, shop)...)
			statuses := []int{500}
			if tt.code != exit.Unavailable {
				statuses = append(statuses, 404) // engines choose their own
			}
			for _, status := range statuses {
				server.Fault("", "*", enginetest.Fault{Status: status, Message: tt.words}, 2)
				_, err := e.Remote(ctx, shop)
				testkit.WantError(t, err, tt.code, tt.says...)
				testkit.WantError(t, e.Pull(ctx, shop, nil), tt.code, tt.says...)
			}
		})
	}
}

// TestANameIsNoReason: what a registry means does not depend on what the image is called.
func TestANameIsNoReason(t *testing.T) {
	for _, name := range []string{"registry.example/denied/unauthorized:1", "toomanyrequests.example/no/access-denied:manifest"} {
		server, e := fake(t)
		server.Fault("POST", "/images/create", enginetest.Fault{Stream: "manifest for " + name + " not found: manifest unknown"}, 1)
		testkit.WantError(t, e.Pull(t.Context(), name, nil), exit.Config, "404", name)
	}
}

func TestRemote(t *testing.T) {
	server, e := fake(t)
	added := server.AddRemote(enginetest.Image{Tags: []string{shop}, Arch: "arm64"})
	remote := must[engine.Remote](t)(e.Remote(t.Context(), shop))
	if remote.Digest != added.Digest || !slices.Equal(remote.Platforms, []string{"linux/arm64"}) {
		t.Errorf("%+v", remote)
	}
	_, err := e.Remote(t.Context(), "registry.example:5000/team/shop:none")
	testkit.WantError(t, err, exit.Config, "404")
	_, err = e.Remote(t.Context(), "No Name")
	testkit.WantError(t, err, exit.Config, "No Name")
}

// TestLoginIsTheDockerCommands: from its file, and from its credential helpers.
func TestLoginIsTheDockerCommands(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString([]byte("me:from-the-file"))
	helper := "#!/bin/sh\nread server\necho '{\"Username\":\"me\",\"Secret\":\"from-the-helper\"}'\n"
	tests := map[string]struct{ file, password string }{
		"file":         {`{"auths":{"registry.example:5000":{"auth":"` + secret + `"}}}`, "from-the-file"},
		"credHelpers":  {`{"credHelpers":{"registry.example:5000":"tale-test"}}`, "from-the-helper"},
		"credsStore":   {`{"credsStore":"tale-test"}`, "from-the-helper"},
		"another host": {`{"auths":{"else.example":{"auth":"` + secret + `"}}}`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			write(t, filepath.Join(folder, "docker-credential-tale-test"), helper)
			write(t, filepath.Join(folder, "config.json"), tt.file)
			t.Setenv("PATH", folder+":/bin:/usr/bin")
			server := enginetest.New(t)
			server.AddRemote(enginetest.Image{Tags: []string{shop}})
			e := connect(t, engine.Options{Host: server.Host(), Environ: config.Environ{"DOCKER_CONFIG": folder}})
			must[engine.Remote](t)(e.Remote(t.Context(), shop))
			if err := e.Pull(t.Context(), shop, nil); err != nil {
				t.Fatal(err)
			}
			logins := server.Logins()
			if tt.password == "" {
				if len(logins) > 0 {
					t.Errorf("a login of another registry was sent: %+v", logins)
				}
				return
			}
			if len(logins) != 2 || logins[0].Password != tt.password || logins[1].Password != tt.password || logins[0].Username != "me" {
				t.Errorf("%+v", logins)
			}
		})
	}
	t.Run("a helper that fails", func(t *testing.T) {
		folder := t.TempDir()
		write(t, filepath.Join(folder, "config.json"), `{"credsStore":"tale-none"}`)
		server := enginetest.New(t)
		e := connect(t, engine.Options{Host: server.Host(), Environ: config.Environ{"DOCKER_CONFIG": folder}})
		_, err := e.Remote(t.Context(), shop)
		testkit.WantError(t, err, exit.NoPermission, "docker-credential-tale-none", "names in "+folder, "docker login registry.example:5000")
		if _, all := errors.AsType[*engine.RegistryError](err); !all {
			t.Error("it is told of each image of the registry")
		}
	})
}

func TestErrorsHaveNoSecret(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "config.json"), `{"auths":{"registry.example:5000":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("me:hunter2"))+`"}}}`)
	server := enginetest.New(t)
	e := connect(t, engine.Options{Host: server.Host(), Environ: config.Environ{"DOCKER_CONFIG": folder}})
	_, err := e.Remote(t.Context(), shop)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestReferences(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	for ref, want := range map[string]struct{ repository, tag string }{
		"acme/shop":                      {"acme/shop", ""},
		"acme/shop:1.4":                  {"acme/shop", "1.4"},
		"docker.io/acme/shop:1.4":        {"acme/shop", "1.4"},
		"r.example:5000/acme/shop":       {"r.example:5000/acme/shop", ""},
		"r.example:5000/acme/shop:1.4":   {"r.example:5000/acme/shop", "1.4"},
		"acme/shop@" + digest:            {"acme/shop", digest},
		"acme/shop:1.4@" + digest:        {"acme/shop", "1.4"},
		"docker.io/library/postgres:16":  {"postgres", "16"},
		"r.example/acme/shop@" + digest:  {"r.example/acme/shop", digest},
		"Not A Reference:1":              {"Not A Reference:1", ""},
		"index.docker.io/acme/shop:beta": {"acme/shop", "beta"},
	} {
		if repository, tag := engine.Repository(ref), engine.Tag(ref); repository != want.repository || tag != want.tag {
			t.Errorf("%s is %q of %q, want %q of %q", ref, tag, repository, want.tag, want.repository)
		}
	}
	if tag := engine.Tag(digest); tag != "" {
		t.Errorf("an id has the tag %q", tag)
	}
}

// TestAnImageHasMoreThanOneName: engines leave out what everybody knows.
func TestAnImageHasMoreThanOneName(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	image := engine.Image{ID: "sha256:" + strings.Repeat("1b", 32), Tags: []string{"acme/shop:1.4", "acme/cart:latest"}, Digests: []string{"acme/shop@" + digest}}
	for ref, want := range map[string]bool{
		image.ID: true, "acme/shop:1.4": true, "docker.io/acme/shop:1.4": true, "acme/shop@" + digest: true, "docker.io/acme/shop@" + digest: true,
		"acme/cart": true, "docker.io/acme/cart": true, "acme/shop:1.4@" + digest: true, "acme/shop:other@" + digest: true,
		"acme/shop": false, "acme/shop:1.5": false, "acme/cart@" + digest: false, "r.example/acme/shop:1.4": false, digest: false, "": false,
	} {
		if image.Is(ref) != want {
			t.Errorf("%s: %v, want %v", ref, !want, want)
		}
	}
}
