package rollout_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// The plan says how much is to be pulled: not what the image that is replaced has, nor what
// comes with another.
func TestHowMuchIsPulled(t *testing.T) {
	t.Parallel()
	h, registry := newHost(t), enginetest.NewRegistry(t)
	base := registry.Add("shop/old:1", "amd64", 40e6)
	registry.Add("shop/platform:2", "amd64", 40e6, 3e6, 2e6)
	registry.Add("shop/convex:2", "amd64", 3e6, 60e6)
	platform, convex, silent := registry.Host+"/shop/platform:2", registry.Host+"/shop/convex:2", registry.Host+"/shop/silent:2"
	for _, name := range []string{platform, convex, silent} {
		h.AddRemote(enginetest.Image{Tags: []string{name}})
	}
	before := h.AddImage(enginetest.Image{Tags: []string{"shop/platform:1"}, Layers: []string{base[0].String()}})
	_, model := h.plan("1.0.0", rollout.Scope{})
	plan := rollout.Plan{Pull: []string{platform, convex, silent}, Changes: []rollout.Change{
		{Service: "platform", Action: rollout.Rotate, From: &rollout.Release{ImageID: before.ID}, To: rollout.Release{Image: platform}},
	}}
	if err := rollout.Preflight(t.Context(), h.engine, model, rollout.State{}, &plan, true); err != nil {
		t.Fatal(err)
	}
	if want := []rollout.Download{{Image: platform, Bytes: 5e6, Of: 45e6}, {Image: convex, Bytes: 60e6, Of: 63e6}}; !slices.Equal(plan.Downloads, want) {
		t.Errorf("%+v", plan.Downloads)
	}
	plan.Downloads[1].Bytes = plan.Downloads[1].Of
	if text := plan.Text(); !strings.Contains(text, "  pull     "+platform+", 5.0 MB of 45 MB\n  pull     "+convex+", 63 MB\n  pull     "+silent+"\n") {
		t.Error(text)
	}
}

// An image that is larger than the one before it, and than the disk, is not begun with.
func TestADownloadThatTheDiskIsTooSmallFor(t *testing.T) {
	t.Parallel()
	h, registry := newHostWith(t, func(h *host) { h.Info.Name, h.Disk = "elsewhere", "1000000000 100000000000" }), enginetest.NewRegistry(t)
	for version, want := range map[string]string{"small": "", "large": "1.0 GB free, and the new images and copies of volumes need some 3.3 GB"} {
		bytes := map[string]int64{"small": 3e6, "large": 3e9}[version]
		registry.Add("shop/platform:"+version, "amd64", bytes)
		image := registry.Host + "/shop/platform:" + version
		h.AddRemote(enginetest.Image{Tags: []string{image}})
		_, model := h.plan("1.0.0", rollout.Scope{})
		plan := rollout.Plan{Pull: []string{image}, Changes: []rollout.Change{{Service: "platform", To: rollout.Release{Image: image}}}}
		err := rollout.Preflight(t.Context(), h.engine, model, rollout.State{}, &plan, false)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", version, err)
		}
	}
}
