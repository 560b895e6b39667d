package tale

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// writePlan prints a plan for people.
func writePlan(out io.Writer, p rollout.Plan) error {
	var b strings.Builder
	if p.Empty() {
		fmt.Fprintf(&b, "%s is at version %s: nothing to do\n", p.Project, p.Version)
	} else {
		fmt.Fprintf(&b, "%s to version %s\n", p.Project, p.Version)
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range p.Changes {
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\n", c.Service, doing(c), strings.Join(c.Why, "; "))
	}
	_ = table.Flush() // into memory
	for _, image := range p.Pull {
		fmt.Fprintf(&b, "  pull     %s\n", image)
	}
	for _, volume := range p.Volumes {
		fmt.Fprintf(&b, "  volume   %s is made\n", volume)
	}
	for _, r := range p.Remove {
		fmt.Fprintf(&b, "  remove   %s: %s\n", r.Name, r.Why)
	}
	for _, c := range p.Changes {
		if c.Cost != "" {
			fmt.Fprintf(&b, "  cost     %s: %s\n", c.Service, c.Cost)
		}
	}
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "  note     %s\n", note)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// doing says what is done to a service, in its colours.
func doing(c rollout.Change) string {
	present := cmp.Or(c.Colour, "")
	switch c.Action {
	case rollout.Rotate:
		if c.Resume {
			return "goes on to " + present
		}
		return "rotates to " + present
	case rollout.Finish:
		return present + " serves, the other stops"
	case rollout.Keep:
		return strings.TrimSpace(present + " stays")
	case rollout.Create:
		return strings.TrimSpace(present + " is created")
	case rollout.Await:
		return strings.TrimSpace(present + " is waited for")
	case rollout.Start:
		return strings.TrimSpace(present + " is started")
	default:
		return "is replaced in place"
	}
}
