package tale

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// TestVersionIsOfWhatHasNoTag: of the application's own image, or else of Tale's.
func TestVersionIsOfWhatHasNoTag(t *testing.T) {
	for name, tt := range map[string]struct {
		images           map[string]string
		platform, convex string
	}{
		"Tale's own":           {nil, "1.2.0", "1.2.0"},
		"an app without a tag": {map[string]string{stack.Platform: "shop"}, "1.2.0", "1.0.0"},
		"another with a tag":   {map[string]string{stack.DB: "postgres:17"}, "1.2.0", "1.2.0"},
		"both":                 {map[string]string{stack.DB: "postgres:17", stack.Platform: "shop"}, "1.2.0", "1.0.0"},
		"only tags":            {map[string]string{stack.DB: "postgres:17", stack.Platform: "shop:3"}, "3", "1.2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &session{project: &project.Project{File: project.File{Images: tt.images}}, settings: project.Settings{"TALE_VERSION": {Text: "1.0.0"}}}
			got := s.release("v1.2.0")
			if got.versions[stack.Platform] != tt.platform || got.versions[stack.Convex] != tt.convex || got.version != tt.platform {
				t.Errorf("%+v", got)
			}
		})
	}
}
