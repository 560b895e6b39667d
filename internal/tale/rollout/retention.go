package rollout

import (
	"slices"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Unused returns the images of ours that no container of any project uses and that are
// not of a release to be kept. Ours are those of the repositories that the project's
// services come from, nothing else, however old or untagged it is.
func Unused(images []engine.Image, used []string, repositories []string, keep []string) []engine.Image {
	var unused []engine.Image
	for _, image := range images {
		if slices.Contains(used, image.ID) || slices.Contains(keep, image.ID) || !fromAny(image, repositories) {
			continue
		}
		unused = append(unused, image)
	}
	return unused
}

// fromAny reports whether all names of an image are of these repositories.
func fromAny(image engine.Image, repositories []string) bool {
	names := image.Repositories()
	return len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(repositories, name) })
}
