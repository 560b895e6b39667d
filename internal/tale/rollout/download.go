package rollout

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Download is how much of an image is to be pulled.
type Download struct {
	Image string `json:"image"`
	Bytes int64  `json:"bytes"` // that neither the engine has, nor an image before it in the list
	Of    int64  `json:"of"`    // in the registry
}

// downloads asks the registries how much there is to pull. One that does not tell costs the
// figure and nothing else: whether it has the image is asked by the engine.
func (p *preflight) downloads(ctx context.Context) (downloads []Download) {
	if len(p.plan.Pull) == 0 {
		return nil
	}
	layers := make([][]engine.Layer, len(p.plan.Pull))
	var group sync.WaitGroup
	for i, image := range p.plan.Pull {
		group.Go(func() { layers[i], _ = p.engine.Layers(ctx, image, p.info.OS, p.info.Arch) })
	}
	group.Wait()
	here := p.layers(ctx)
	for i, image := range p.plan.Pull {
		if layers[i] == nil {
			continue
		}
		d := Download{Image: image}
		for _, layer := range layers[i] {
			d.Of += layer.Bytes
			if !here[layer.ID] {
				d.Bytes += layer.Bytes
			}
			here[layer.ID] = true
		}
		downloads = append(downloads, d)
	}
	return downloads
}

// layers returns those of the images that are replaced, which new ones mostly share.
func (p *preflight) layers(ctx context.Context) map[digest.Digest]bool {
	here := map[digest.Digest]bool{}
	for _, c := range p.plan.Changes {
		if c.From == nil {
			continue
		}
		if image, there, err := p.engine.Image(ctx, c.From.ImageID); err == nil && there {
			for _, layer := range image.Layers {
				here[layer] = true
			}
		}
	}
	return here
}
