package rollout

import (
	"slices"

	"github.com/tale-project/tale-runtime/internal/tale/compose"
)

// Target is what the files ask for.
type Target struct {
	Project  string // id
	Version  string // of the release
	Services []Wanted
	Volumes  []string
	Network  string
	Scope    Scope
}

// Scope says which services a deploy may touch, beside those that do not run at all.
type Scope struct {
	All      bool     // also bring those that do not rotate to the release's version
	Only     []string // these rotating services and nothing else
	Rollback bool     // rotating services alone, to an earlier release
}

func (s Scope) names(service string) bool {
	return len(s.Only) == 0 || slices.Contains(s.Only, service)
}

// Wanted is what the files ask of one service.
type Wanted struct {
	Service string
	Rotates bool
	Version string
	Image   string // reference
	ImageID string // "" while the engine does not have it
	Pull    bool   // the registry decides: the engine has none, or the tag moves
	Pinned  bool   // tale.json or the override names the image
	Needed  string // why a service that does not rotate has to follow the release, "" if it need not
	Anew    string // why it is replaced though nothing differs, "" if it is not
	Needs   []string
	Made    map[string]compose.Service // by colour; "" for what does not rotate
}
