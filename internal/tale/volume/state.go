package volume

import (
	"context"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// legacySentinel is what the tool before this one left in the root of its copies. As cp
// took it along, it says neither of which copy nor that there is a whole one.
const legacySentinel = ".tale-migration-complete"

// State says what a volume is.
type State struct {
	Exists       bool
	Empty        bool  // marks of copies are nothing
	Mark         *Mark // of a copy of ours, nil for a volume that is none
	Used         bool  // it is a finished copy, and not any more what it was then
	Legacy       bool  // the tool before this one has left its sentinel
	Bytes, Files int64 // content that takes room, and everything that is no folder
	Print        sum   // of all of it: another one than Mark.Source of its copy where it has changed since
	Free         int64 // bytes of its disk that an ordinary user may fill, -1 where the disk does not say
}

// Mark says that a volume is a copy.
type Mark struct {
	From, To string
	Began    time.Time
	Finished time.Time // zero: it is not whole, and no service may use it
	Files    int64     `json:",omitempty"` // as State counts them
	Bytes    int64     `json:",omitempty"`

	// ID is in the names of the files that are on their way, and of the journal.
	ID string
	// What the source and the copy were when it was finished.
	Source, Copy sum `json:",omitempty"`
}

// Look looks into a volume by a helper that may only read it. An engine that fails, and a
// volume driver that does, is an error, and never an absent or an empty volume.
func Look(ctx context.Context, e *engine.Engine, name string) (State, error) {
	_, found, err := e.Volume(ctx, name)
	if err != nil || !found {
		return State{}, err
	}
	var state *State
	err = run(ctx, e, engine.HelperOptions{
		Args:   []string{lookVerb, name},
		Mounts: []engine.Mount{{Volume: name, Path: fromFolder, ReadOnly: true}},
	}, func(m message) { state = m.State })
	if err != nil {
		return State{}, err
	}
	state.Exists = true
	return *state, nil
}
