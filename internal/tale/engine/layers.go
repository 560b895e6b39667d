package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Layer is one of an image.
type Layer struct {
	ID    digest.Digest // of what it holds, by which an engine knows that it has it
	Bytes int64         // to be pulled
}

// Layers asks the image's registry itself, which the engine cannot be asked for, what a
// pull for a platform consists of: of several variants of a processor the first.
func (e *Engine) Layers(ctx context.Context, ref, os, arch string) ([]Layer, error) {
	repository, err := e.repository(ref)
	if err != nil {
		return nil, err
	}
	layers, err := layersOf(ctx, repository, os, arch)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for the layers of %s: %w", ref, err)
	}
	return layers, nil
}

func layersOf(ctx context.Context, r *remote.Repository, os, arch string) ([]Layer, error) {
	described, err := r.Resolve(ctx, r.Reference.Reference)
	if err != nil {
		return nil, err
	}
	if slices.Contains([]string{ocispec.MediaTypeImageIndex, "application/vnd.docker.distribution.manifest.list.v2+json"}, described.MediaType) {
		var index ocispec.Index
		if err := fetch(ctx, r.Manifests(), described, &index); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(index.Manifests, func(m ocispec.Descriptor) bool {
			return m.Platform != nil && m.Platform.OS == os && m.Platform.Architecture == arch
		})
		if i < 0 {
			return nil, fmt.Errorf("there are none for %s/%s", os, arch)
		}
		described = index.Manifests[i]
	}
	var manifest ocispec.Manifest
	if err := fetch(ctx, r.Manifests(), described, &manifest); err != nil {
		return nil, err
	}
	var image ocispec.Image
	if err := fetch(ctx, r.Blobs(), manifest.Config, &image); err != nil {
		return nil, err
	}
	if len(image.RootFS.DiffIDs) != len(manifest.Layers) {
		return nil, fmt.Errorf("its manifest and its configuration differ about them: %d, %d", len(manifest.Layers), len(image.RootFS.DiffIDs))
	}
	layers := make([]Layer, len(manifest.Layers))
	for i, layer := range manifest.Layers {
		layers[i] = Layer{ID: image.RootFS.DiffIDs[i], Bytes: layer.Size}
	}
	return layers, nil
}

// largestDocument is more than a manifest or an image's configuration has, in bytes.
const largestDocument = 4 << 20

func fetch(ctx context.Context, from content.Fetcher, d ocispec.Descriptor, into any) error {
	if d.Size > largestDocument {
		return fmt.Errorf("%s has %d bytes", d.Digest, d.Size)
	}
	text, err := content.FetchAll(ctx, from, d)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// repository returns an image's repository in its registry, with the login that the docker
// command would use. As for an engine, loopback is no place for TLS.
func (e *Engine) repository(ref string) (*remote.Repository, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, err
	}
	repository, err := remote.NewRepository(reference.TagNameOnly(named).String())
	if err != nil {
		return nil, err
	}
	repository.PlainHTTP = isLoopback(repository.Reference.Registry)
	repository.Client = &auth.Client{Client: &http.Client{}, Credential: func(_ context.Context, host string) (auth.Credential, error) {
		if host != repository.Reference.Host() { // a registry may lead elsewhere for a layer
			return auth.EmptyCredential, nil
		}
		found, err := e.credentials(named)
		return auth.Credential{Username: found.Username, Password: found.Password, RefreshToken: found.IdentityToken, AccessToken: found.RegistryToken}, err
	}}
	return repository, nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]") // without a port
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
