package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

const (
	// mostAhead is how far two clocks may be apart: sessions and signatures bear a minute.
	mostAhead = time.Minute
	// mostYounger is how much later than now an image may be made, by another clock.
	mostYounger = 24 * time.Hour
)

// ClockDoubt returns why the clock of the engine's host may be wrong, "" if nothing says so:
// this machine has another time, or there are images of the future.
func ClockDoubt(info engine.Info, images []engine.Image) string {
	if ahead := info.Ahead.Round(time.Second); ahead.Abs() > mostAhead {
		return fmt.Sprintf("the clock of the engine's host is %s %s that of this machine: certificates, sessions and dates in the log go by it", ahead.Abs(), map[bool]string{true: "ahead of", false: "behind"}[ahead > 0])
	}
	now := time.Now().Add(info.Ahead)
	for _, image := range images {
		if image.Created.After(now.Add(mostYounger)) && len(image.Tags) > 0 {
			return fmt.Sprintf("the clock of the engine's host says %s, and the image %s was made at %s: a clock that is behind finds certificates not valid yet", now.Format(time.RFC3339), image.Tags[0], image.Created.Format(time.RFC3339))
		}
	}
	return ""
}

func (p *preflight) clock(context.Context) {
	if doubt := ClockDoubt(p.info, p.state.Images); doubt != "" {
		p.note("%s", doubt)
	}
}
