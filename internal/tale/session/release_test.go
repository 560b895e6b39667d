package session

import (
	"strings"
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

func TestReleaseOfABuild(t *testing.T) {
	for build, want := range map[string]string{
		"v1.2.3": "v1.2.3", "1.2.3": "1.2.3", "1.2.3-rc.1": "1.2.3-rc.1",
		"dev": "latest", "dev-0123456789ab": "latest", "5966ecb": "latest", "1234567": "latest", "5966ecb-dirty": "latest",
		"v1.2.3-4-g5966ecb": "latest", "1.2.3-4-g5966ecb-dirty": "latest", "v1.2.3-dirty": "latest",
	} {
		if got := releaseOf(build); got != want {
			t.Errorf("%s: %s, want %s", build, got, want)
		}
	}
}

// TestVersionThatIsAssumed: it is told from one that somebody has named.
func TestVersionThatIsAssumed(t *testing.T) {
	app := map[string]string{stack.Platform: "shop:latest", stack.Convex: "r/convex"}
	every := map[string]string{stack.Platform: "shop:3", stack.Convex: "r/convex:latest", stack.DB: "postgres:17", stack.Proxy: "r/proxy:2"}
	for name, tt := range map[string]struct {
		setting, named string
		images         map[string]string
		want           string // images
	}{
		"none":         {"", "", app, "ghcr.io/tale-project/tale/tale-db:latest r/convex:latest ghcr.io/tale-project/tale/tale-proxy:latest"},
		"the setting":  {"1.2.3", "", app, ""},
		"the flag":     {"", "1.2.3", nil, ""},
		"each its tag": {"", "", every, ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := project.File{Images: tt.images, Services: []string{stack.DB, stack.Convex, stack.Platform, stack.Proxy}}
			s := &Session{Project: &project.Project{File: file}, Settings: project.Settings{"TALE_VERSION": {Text: tt.setting}}}
			if got := strings.Join(s.Release(tt.named).Assumed, " "); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
