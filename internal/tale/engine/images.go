package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config/types"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// Images returns all images of the engine that have a name. Their platform is known to
// Image alone.
func (e *Engine) Images(ctx context.Context) ([]Image, error) {
	list, err := ask(ctx, e, patience, "list images", e.api.ImageList, client.ImageListOptions{})
	images := make([]Image, 0, len(list.Items))
	for _, i := range list.Items {
		images = append(images, Image{ID: i.ID, Tags: named(i.RepoTags), Digests: named(i.RepoDigests), Size: i.Size, Created: time.Unix(i.Created, 0), Labels: i.Labels})
	}
	return images, err
}

// Image looks into an image by reference, digest or id; ok is false if the engine does
// not have it.
func (e *Engine) Image(ctx context.Context, ref string) (image Image, ok bool, err error) {
	i, err := ask(ctx, e, patience, "look into the image "+ref, func(ctx context.Context, ref string) (client.ImageInspectResult, error) {
		return e.api.ImageInspect(ctx, ref)
	}, ref)
	if err != nil {
		return Image{}, false, unlessGone(err)
	}
	image = Image{ID: i.ID, Tags: named(i.RepoTags), Digests: named(i.RepoDigests), Size: i.Size, OS: i.Os, Arch: i.Architecture, Created: instant(i.Created)}
	if i.Config != nil {
		image.Labels, image.Environment = i.Config.Labels, environmentOf(i.Config.Env)
	}
	for _, layer := range i.RootFS.Layers {
		image.Layers = append(image.Layers, digest.Digest(layer))
	}
	return image, true, nil
}

// Remote asks the image's registry, through the engine and with the login that the
// docker command would use.
func (e *Engine) Remote(ctx context.Context, ref string) (Remote, error) {
	login, err := e.login(ref)
	if err != nil {
		return Remote{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := e.api.DistributionInspect(ctx, ref, client.DistributionInspectOptions{EncodedRegistryAuth: login})
	if err != nil {
		return Remote{}, e.refused(ctx, ref, err)
	}
	remote := Remote{Digest: answer.Descriptor.Digest.String()}
	for _, p := range answer.Platforms {
		if p.OS != "" && p.OS != "unknown" {
			remote.Platforms = append(remote.Platforms, p.OS+"/"+p.Architecture)
		}
	}
	return remote, nil
}

// RemoveImage removes a reference, and the image with its last one, unless a container
// uses it. One that is gone is no error.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	_, err := about(ctx, e, changing, "remove the image", e.api.ImageRemove, ref, client.ImageRemoveOptions{PruneChildren: true})
	return unlessGone(err)
}

// credentials finds those for an image's registry, where the docker command keeps them.
func (e *Engine) credentials(image reference.Named) (types.AuthConfig, error) {
	host := reference.Domain(image)
	if host == "docker.io" {
		host = "https://index.docker.io/v1/" // as docker login stores it
	}
	found, err := e.logins.GetAuthConfig(host)
	if err == nil {
		return found, nil
	}
	registry := reference.Domain(image)
	fix := fmt.Sprintf("`docker login %s` makes a new one", registry)
	if strings.Contains(err.Error(), "executable file not found") {
		fix = fmt.Sprintf("install the program that credsStore or credHelpers names in %s, or remove the name there and `docker login %s`", e.logins.Filename, registry)
	}
	return found, &RegistryError{registry, exit.Errorf(exit.NoPermission, "cannot read the login for %s: %w; %s", registry, err, fix)}
}

// login returns the credentials for an image's registry as the engine wants them; none
// are "".
func (e *Engine) login(image string) (string, error) {
	parsed, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", exit.Errorf(exit.Config, "%q is no reference of an image: %w; --version, TALE_REGISTRY, tale.json or compose.override.yml names it", image, err)
	}
	found, err := e.credentials(parsed)
	if err != nil {
		return "", err
	}
	if found.Username == "" && found.IdentityToken == "" && found.RegistryToken == "" && found.Auth == "" {
		return "", nil
	}
	encoded, err := authconfig.Encode(registry.AuthConfig{
		Username: found.Username, Password: found.Password, Auth: found.Auth, ServerAddress: found.ServerAddress,
		IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken,
	})
	if err != nil {
		return "", fmt.Errorf("cannot use the login for %s: %w", Registry(image), err)
	}
	return encoded, nil
}

// named leaves out what the engine writes for no name.
func named(references []string) []string {
	return slices.DeleteFunc(references, func(r string) bool { return hasAny(r, "<none>") })
}

const (
	// pullAttempts with 1, 2, 4 and 8 s between them outlast a restart of the engine,
	// which keeps the layers that are complete.
	pullAttempts = 5
	// stalled is how long a pull may say nothing: unpacking a layer of gigabytes on a
	// slow disk is silent.
	stalled = 5 * time.Minute
)

// Pull gets an image, telling say how far it is after each word of the engine. A stream
// that breaks is taken up again.
func (e *Engine) Pull(ctx context.Context, ref string, say func(Progress)) error {
	login, err := e.login(ref)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := e.pull(ctx, ref, login, say)
		if err == nil || !errors.Is(err, errBroken) {
			return err
		}
		if attempt == pullAttempts {
			return exit.Errorf(exit.Unavailable, "cannot pull %s: it broke off %d times: %w", ref, attempt, err)
		}
		if !pause.For(ctx, time.Second<<(attempt-1)) {
			return fmt.Errorf("cannot pull %s: %w", ref, context.Cause(ctx))
		}
	}
}

// errBroken is about the way between us and the engine or the registry; it may pass.
var errBroken = errors.New("the connection broke")

func (e *Engine) pull(ctx context.Context, ref, login string, say func(Progress)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(stalled, func() { cancel(fmt.Errorf("%w: no word for %s", errBroken, stalled)) })
	defer watchdog.Stop()
	stream, err := e.api.ImagePull(ctx, ref, client.ImagePullOptions{RegistryAuth: login})
	if err != nil {
		return e.pullFailed(ctx, ref, err)
	}
	defer func() { _ = stream.Close() }()
	layers := layers{}
	for message, err := range stream.JSONMessages(ctx) {
		if err == nil && message.Error != nil {
			err = message.Error
		}
		if err != nil {
			return e.pullFailed(ctx, ref, err)
		}
		watchdog.Reset(stalled)
		if say != nil {
			say(layers.add(message))
		}
	}
	return nil
}

// passing are words for what a registry or the way to it recovers from.
var passing = []string{"unexpected EOF", "connection reset", "TLS handshake timeout", "i/o timeout", "INTERNAL_ERROR", "502 Bad Gateway", "503 Service", "504 Gateway"}

func (e *Engine) pullFailed(ctx context.Context, ref string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("cannot pull %s: %w", ref, cause)
	}
	if client.IsErrConnectionFailed(err) || isBroken(err) || hasAny(err.Error(), passing...) {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return e.refused(ctx, ref, err)
}

// layers is what a pull's stream has said of each layer.
type layers map[string]Progress

func (l layers) add(message jsonstream.Message) (all Progress) {
	layer := l[message.ID]
	switch message.Status {
	case "Downloading":
		if message.Progress != nil {
			layer = Progress{message.Progress.Current, max(layer.Total, message.Progress.Total)}
		}
	case "Download complete", "Verifying Checksum", "Extracting", "Pull complete", "Already exists":
		layer.Current = layer.Total
	}
	l[message.ID] = layer
	for _, layer := range l {
		all.Current += layer.Current
		all.Total += layer.Total
	}
	return all
}

// Tag returns what a reference names of its repository: a tag, or else a digest. It is ""
// for neither, and for the id of an image.
func Tag(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil || strings.HasPrefix(image, "sha256:") {
		return ""
	}
	if tagged, ok := named.(reference.Tagged); ok {
		return tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		return digested.Digest().String()
	}
	return ""
}

// Repository returns a reference without its tag and digest, as engines write it: for
// docker.io/acme/shop:1 that is acme/shop.
func Repository(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	return reference.FamiliarName(named)
}

// Is reports whether a reference, or an id, means an image.
func (i Image) Is(ref string) bool {
	if named, err := reference.ParseNormalizedNamed(ref); err == nil && !strings.HasPrefix(ref, "sha256:") {
		named = reference.TagNameOnly(named) // latest
		if digested, ok := named.(reference.Digested); ok {
			// A tag beside it is only what it was called.
			named, err = reference.WithDigest(reference.TrimNamed(named), digested.Digest())
		}
		if err == nil {
			ref = reference.FamiliarString(named)
		}
	}
	return i.ID == ref || slices.Contains(i.Tags, ref) || slices.Contains(i.Digests, ref)
}
