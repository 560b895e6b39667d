package engine

import (
	"context"
	"regexp"
	"strings"

	"github.com/moby/moby/client"
)

// standIn matches the name that compose gives a container that is to take the place of
// another: it makes it, stops and removes the other, and then gives it its name
// (so do docker/compose v2.40.3 and v5.5.0, in pkg/compose).
var standIn = regexp.MustCompile(`^[0-9a-f]{12}_(.+)$`)

// IsStandIn reports whether a container has the name of one that is to take another's place.
func IsStandIn(name, other string) bool {
	parts := standIn.FindStringSubmatch(name)
	return parts != nil && parts[1] == other
}

// Settle brings a compose project's names in order where compose was killed while it replaced
// a container. It would take what it has left for one more of the service, and give both the
// same name. A stand-in is removed while the other is there, and else has its name.
func (e *Engine) Settle(ctx context.Context, project string) error {
	list, err := ask(ctx, e, patience, "list containers", e.api.ContainerList, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", LabelComposeProject+"="+project)})
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, item := range list.Items {
		for _, name := range item.Names {
			taken[strings.TrimPrefix(name, "/")] = true
		}
	}
	for name := range taken {
		parts := standIn.FindStringSubmatch(name)
		switch {
		case parts == nil:
		case taken[parts[1]]:
			err = e.Remove(ctx, name)
		default:
			taken[parts[1]], err = true, e.Rename(ctx, name, parts[1])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
