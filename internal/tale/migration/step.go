package migration

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Step is one pending migration.
type Step struct {
	ID           string   `json:"id"`
	IntroducedIn string   `json:"introducedIn"`
	Description  string   `json:"description"`
	Copies       []Copy   `json:"copies"`
	Moves        []Stop   `json:"moves"`   // containers that leave their name
	Owns         []string `json:"owns"`    // volumes that become the application user's
	Stops        []Stop   `json:"stops"`   // containers that stand still meanwhile
	Seconds      float64  `json:"seconds"` // it takes, by an estimate
}

// Copy is a volume that gets another name. The old one stays.
type Copy struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Bytes int64  `json:"bytes"`
	Files int64  `json:"files"`
	// App says that everything in it becomes the application user's, as the backend needs
	// it; otherwise owners stay.
	App bool `json:"app,omitempty"`
	// Anew says that the copy is there and older than what was written since: an earlier
	// run was given up, and the old release went on.
	Anew bool `json:"anew,omitempty"`

	there     int64 // bytes of it that To has already
	elsewhere bool  // To has a disk of its own
	free      int64 // bytes that this has room for, -1 if that is not known
}

// Stop is a container that is touched.
type Stop struct {
	Container string `json:"container"` // id
	Name      string `json:"name"`
}

// Plan is what Pending has found.
type Plan struct {
	Steps   []Step
	Notes   []string
	Unclear Unclear
	Stops   []engine.Container // of all steps, each once
	Copied  []string           // volumes that the steps make
}

// Bytes returns how much is copied.
func (p Plan) Bytes() (bytes int64) {
	for _, step := range p.Steps {
		for _, c := range step.Copies {
			bytes += c.Bytes
		}
	}
	return bytes
}

// Room returns how many bytes the engine's disk has to have for what is still to copy, and
// an error where the target's own disk has too few.
func (p Plan) Room() (need int64, err error) {
	for _, step := range p.Steps {
		for _, c := range step.Copies {
			takes := max(0, c.Bytes-c.there) * 11 / 10
			if c.elsewhere && c.free >= 0 && c.free < takes {
				return 0, exit.Errorf(exit.Unavailable, "cannot migrate: the disk of the volume %s has %s free, and the copy of %s needs %s: make room there, or give the volume a larger disk", c.To, humanize.Bytes(uint64(c.free)), c.From, humanize.Bytes(uint64(takes)))
			}
			if !c.elsewhere {
				need += takes
			}
		}
	}
	return need, nil
}

// Splits reports whether the backend's data leave the web application's volume.
func (s Step) Splits() bool { return s.ID == splitConvex }

func (s Step) empty() bool { return len(s.Copies)+len(s.Moves)+len(s.Owns) == 0 }

const (
	// guessedRate and guessedFiles are what a slow disk copies and verifies in a second.
	guessedRate  = 60 << 20
	guessedFiles = 1500
	stopSeconds  = 10 // for containers to stop
)

// estimate guesses how long a step takes.
func (s Step) estimate() float64 {
	seconds := float64(0)
	for _, c := range s.Copies {
		seconds += 1 + float64(c.Bytes)/guessedRate + float64(c.Files)/guessedFiles
	}
	if len(s.Stops) > 0 {
		seconds += stopSeconds
	}
	return seconds + float64(len(s.Owns))
}

// Consent returns what the operator has to agree to, "" if there is nothing. Free is
// what the engine's disk has, in bytes, if it is known.
func (p Plan) Consent(free int64, known bool) string {
	if len(p.Steps) == 0 {
		return ""
	}
	text := english.Plural(len(p.Steps), "migration is", "migrations are") + " applied"
	var seconds float64
	for _, step := range p.Steps {
		seconds += step.Seconds
	}
	if bytes := p.Bytes(); bytes > 0 {
		text += fmt.Sprintf(", %s are copied", humanize.Bytes(uint64(bytes)))
		if known {
			text += fmt.Sprintf(" (%s are free)", humanize.Bytes(uint64(free)))
		}
	}
	if len(p.Stops) > 0 {
		text += fmt.Sprintf(", and these stop for about %s and until the new release serves: %s", time.Duration(seconds*float64(time.Second)).Round(time.Second), names(p.Stops))
	}
	return text
}

func names(containers []engine.Container) string {
	var list []string
	for _, c := range containers {
		list = append(list, c.Name)
	}
	return strings.Join(list, ", ")
}

// Write prints a step for people.
func (s Step) Write(b *strings.Builder) {
	fmt.Fprintf(b, "  migrate  %s (%s): %s\n", s.ID, s.IntroducedIn, s.Description)
	for _, c := range s.Copies {
		owner := ""
		if c.App {
			owner = ", all of it for 1001:1001"
		}
		fmt.Fprintf(b, "           copies %s to %s: %s in %s%s; %[1]s stays\n", c.From, c.To, humanize.Bytes(uint64(c.Bytes)), english.Plural(int(c.Files), "file", ""), owner)
	}
	for _, m := range s.Moves {
		fmt.Fprintf(b, "           takes the name from %s\n", m.Name)
	}
	for _, v := range s.Owns {
		fmt.Fprintf(b, "           gives %s to 1001:1001\n", v)
	}
	for _, stop := range s.Stops {
		fmt.Fprintf(b, "           stops %s\n", stop.Name)
	}
}
