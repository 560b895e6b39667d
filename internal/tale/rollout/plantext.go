package rollout

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
)

// Text returns the plan for people.
func (p Plan) Text() string {
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
	for _, step := range p.Migrations {
		step.Write(&b)
	}
	for _, image := range p.Pull {
		fmt.Fprintf(&b, "  pull     %s%s\n", image, p.sized(image))
	}
	for _, c := range p.Changes {
		for _, o := range c.Overridden {
			fmt.Fprintf(&b, "  override %s: %s\n", c.Service, inWords(o))
		}
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
	told := map[string]bool{} // of both colours once
	for _, r := range p.Remove {
		if r.Cost != "" && !told[r.Cost] {
			fmt.Fprintf(&b, "  cost     %s\n", r.Cost)
		}
		told[r.Cost] = true
	}
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "  note     %s\n", note)
	}
	return b.String()
}

// sized says how much of an image comes, "" if that is not known.
func (p Plan) sized(image string) string {
	i := slices.IndexFunc(p.Downloads, func(d Download) bool { return d.Image == image })
	switch {
	case i < 0:
		return ""
	case p.Downloads[i].Bytes == p.Downloads[i].Of:
		return ", " + humanize.Bytes(uint64(p.Downloads[i].Of))
	}
	return fmt.Sprintf(", %s of %s", humanize.Bytes(uint64(p.Downloads[i].Bytes)), humanize.Bytes(uint64(p.Downloads[i].Of)))
}

// doing says what is done to a service, in its colours.
func doing(c Change) string {
	if c.Action == Rotate && c.Resume {
		return "goes on to " + c.Colour
	}
	return strings.TrimSpace(map[Action]string{
		Rotate:   "rotates to " + c.Colour,
		Finish:   c.Colour + " serves, the other stops",
		Keep:     c.Colour + " stays",
		Create:   c.Colour + " is created",
		Await:    c.Colour + " is waited for",
		Start:    c.Colour + " is started",
		Recreate: "is replaced in place",
	}[c.Action])
}

// longestOverride is how much of a value of the override is printed, in bytes.
const longestOverride = 80

// inWords says what the override makes of one key.
func inWords(o compose.Override) string {
	short := func(text string) string {
		return config.Excerpt(strings.Join(strings.Fields(text), " "), longestOverride)
	}
	base, override := short(o.Base), short(o.Override)
	switch {
	case base == "" && override == "": // a value that is not shown
		return o.Key + " is another"
	case base == "":
		return o.Key + " is " + override
	case override == "":
		return o.Key + " is taken out, which was " + base
	}
	return o.Key + " is " + override + " instead of " + base
}
