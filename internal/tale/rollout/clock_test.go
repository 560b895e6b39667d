package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// TestAClockIsDoubted where this machine, or an image, has another time than the engine.
func TestAClockIsDoubted(t *testing.T) {
	made := func(in time.Duration) []engine.Image {
		return []engine.Image{{Tags: []string{"r/tale-db:1"}, Created: time.Now().Add(in)}}
	}
	for name, tt := range map[string]struct {
		ahead  time.Duration
		images []engine.Image
		want   string // "" is no doubt
	}{
		"the same":              {0, made(-time.Hour), ""},
		"nearly":                {59 * time.Second, made(time.Hour), ""},
		"ahead":                 {2 * time.Minute, nil, "is 2m0s ahead of that of this machine"},
		"behind":                {-3 * time.Hour, nil, "is 3h0m0s behind that of this machine"},
		"an image of tomorrow":  {0, made(25 * time.Hour), "and the image r/tale-db:1 was made at "},
		"without images at all": {0, nil, ""},
	} {
		got := rollout.ClockDoubt(engine.Info{Ahead: tt.ahead}, tt.images)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
