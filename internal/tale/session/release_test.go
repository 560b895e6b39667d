package session

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
			s := &Session{Project: &project.Project{File: project.File{Images: tt.images}}, Settings: project.Settings{"TALE_VERSION": {Text: "1.0.0"}}}
			got := s.Release("v1.2.0")
			if got.Versions[stack.Platform] != tt.platform || got.Versions[stack.Convex] != tt.convex || got.Version != tt.platform {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestVersionsOfARelease: a build of no release has the moving images; a version that is
// asked for is taken as it is, but for the v of v1.2.3.
func TestVersionsOfARelease(t *testing.T) {
	for _, tt := range []struct{ setting, named, want string }{
		{"", "", "latest"}, // of the test's own binary
		{"1.2.3", "", "1.2.3"},
		{"v1.2.3", "", "1.2.3"},
		{"1.2.3", "v2.0.0", "2.0.0"},
		{"dev-2026", "", "dev-2026"},
		{"develop", "", "develop"},
		{"vnext", "", "vnext"},
		{"v", "", "v"},
		{"", "v1", "1"},
	} {
		s := &Session{Project: &project.Project{}, Settings: project.Settings{"TALE_VERSION": {Text: tt.setting}}}
		if r := s.Release(tt.named); r.Version != tt.want || r.Images[stack.DB] != officialRegistry+"/tale-db:"+tt.want {
			t.Errorf("TALE_VERSION=%q, --version %q: %s, %s", tt.setting, tt.named, r.Version, r.Images[stack.DB])
		}
	}
}
