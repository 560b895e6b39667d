package rollout

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

func condition(c engine.Container) string {
	if c.State.Restarting || c.State.Paused() {
		return c.State.Status
	}
	return cmp.Or(c.State.Health, c.State.Status)
}

// differences returns why a container is not what is wanted, for people.
func differences(c engine.Container, wanted Wanted) (why []string) {
	made, known := wanted.Made[c.Colour]
	if c.ImageID != wanted.ImageID || c.Version != wanted.Version {
		why = append(why, versions(c.Version, wanted.Version))
	}
	switch {
	case c.Hash == "":
		return append(why, "another tool has made it")
	case !known || c.Hash == made.Hash:
		return why
	}
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(made.Environment)) {
		if value, set := c.Environment[name]; name != stack.Version && name != stack.Colour && (!set || value != made.Environment[name]) {
			changed = append(changed, name)
		}
	}
	if len(changed) > 0 {
		why = append(why, "settings: "+strings.Join(changed, ", "))
	}
	if c.State.Running && slices.ContainsFunc(made.Ports, func(p engine.Port) bool { return p.Protocol != "udp" && !c.Publishes(p.Public) }) {
		changed, why = append(changed, "ports"), append(why, "its ports")
	}
	if len(changed) > 0 {
		return why
	}
	return append(why, "the definition in its compose file")
}

// cutOff returns why no other container can reach one, "" if they can: a network that was
// removed by hand takes nobody back when it is made again.
func cutOff(state State, target Target, c engine.Container) string {
	switch {
	case len(state.Networks) > 0 && !slices.Contains(state.Networks, target.Network): // none: not asked for
		return "the network " + target.Network + " is gone"
	case c.State.Running && !connected(c):
		return "it is in no network"
	}
	return ""
}

// joined reports whether a container has all its names in the network. One that was left
// before it was ready does not.
func joined(c engine.Container, made compose.Service) bool {
	return !c.State.Running || !slices.ContainsFunc(made.Joins, func(name string) bool {
		return !slices.ContainsFunc(slices.Collect(maps.Values(c.Aliases)), func(names []string) bool { return slices.Contains(names, name) })
	})
}

func versions(from, to string) string {
	if from == to {
		return "another image of version " + to
	}
	return fmt.Sprintf("version %s → %s", cmp.Or(from, "unknown"), to)
}
