package migration

import (
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// asked returns the volumes that a question may be about, of whose data only the operator knows
// whose they are.
func (o *Observation) asked() (names []string) {
	for _, p := range append(o.legacyPairs(), o.split()) {
		names = append(names, p.from, p.to)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// checkAnswers refuses answers about volumes that are not there, and about those that no
// migration asks about: they are misspelt.
func (o *Observation) checkAnswers() error {
	for _, answer := range []struct {
		flag    string
		volumes []string
	}{{"--adopt", o.Adopt}, {"--leave", o.Leave}} {
		for _, volume := range answer.volumes {
			_, there := o.there[volume]
			switch {
			case !slices.Contains(o.asked(), volume):
				return exit.Errorf(exit.Usage, "%s names %s, which no migration asks about: leave it out; they ask about %s", answer.flag, volume, strings.Join(o.asked(), ", "))
			case !there:
				return exit.Errorf(exit.Usage, "%s names %s, and there is no such volume: leave it out, or correct it; `docker volume ls` shows those that are there", answer.flag, volume)
			}
		}
	}
	return nil
}

// heed notes that an answer was of use.
func (o *Observation) heed(volume string) bool {
	if !slices.Contains(o.heeded, volume) {
		o.heeded = append(o.heeded, volume)
	}
	return true
}

// noteAnswers says which of them nothing has asked for, as when it is done already.
func (o *Observation) noteAnswers() {
	for _, volume := range slices.Concat(o.given, o.Leave) {
		if !slices.Contains(o.heeded, volume) {
			o.note("nothing is asked about %s: what was said of it changes nothing", volume)
		}
	}
}
