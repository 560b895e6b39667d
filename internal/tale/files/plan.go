// Package files brings the folders of a project that Tale's application reads into its
// convex container. The application lets its users change them there, too, so that what
// was delivered last is recorded beside them: only what is still so is replaced.
package files

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// Action is what becomes of a file.
type Action string

// Actions. The first two are done by every delivery, the others when it is asked to take
// a side.
const (
	Add      Action = "add"      // the stack does not have it
	Update   Action = "update"   // the stack has what was delivered last
	Changed  Action = "changed"  // changed in the stack, and not here
	Deleted  Action = "deleted"  // deleted in the stack, and not changed here
	Conflict Action = "conflict" // changed on both sides, or never delivered
)

// Change is a file that the project and the stack do not have alike.
type Change struct {
	Path   string `json:"path"`
	Action Action `json:"action"`
	Added  int    `json:"added,omitempty"`   // lines that only the project has
	Gone   int    `json:"removed,omitempty"` // lines that only the stack has

	here, there file
}

// Plan is how a project and its stack differ.
type Plan struct {
	Changes []Change `json:"changes"`
	Secrets []string `json:"secretsKept"` // of the stack's own, which stay as they are

	container string
	record    record
	folders   map[string]bool // that the stack has
	same      map[string]file
}

// Compare finds the differences with the container that has the data of convex. Where
// there is none yet, its name is "", all is new.
func Compare(ctx context.Context, e *engine.Engine, container, dir string) (Plan, error) {
	p := Plan{Changes: []Change{}, Secrets: []string{}, container: container, folders: map[string]bool{}, same: map[string]file{}}
	here, err := read(dir)
	if err != nil || len(here) == 0 {
		return p, err
	}
	if container == "" {
		for _, path := range slices.Sorted(maps.Keys(here)) {
			p.compare(path, here[path], file{})
		}
		return p, nil
	}
	if p.record, err = readRecord(ctx, e, container); err != nil {
		return p, err
	}
	there := map[string]file{}
	for _, folder := range project.Folders() {
		if err := p.readStack(ctx, e, folder, there); err != nil {
			return p, err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(here)) {
		p.compare(path, here[path], there[path])
	}
	return p, nil
}

func (p *Plan) compare(path string, here, there file) {
	last := p.record.Files[path]
	c := Change{Path: path, here: here, there: there}
	switch {
	case there.content == nil && last == "":
		c.Action = Add
	case there.content == nil && here.hash == last:
		c.Action = Deleted
	case there.content == nil:
		c.Action = Conflict
	case isSecret(path):
		if here.hash != there.hash {
			p.Secrets = append(p.Secrets, path)
		}
		return
	case there.foreign:
		c.Action = Conflict
	case here.hash == there.hash:
		p.same[path] = here
		return
	case there.hash == last, p.torn(path, here, there):
		c.Action = Update
	case here.hash == last:
		c.Action = Changed
	default:
		c.Action = Conflict
	}
	c.Added, c.Gone = lines(here.content, there.content)
	p.Changes = append(p.Changes, c)
}

// torn reports whether a file is the beginning of one that was being delivered when that
// was interrupted.
func (p *Plan) torn(path string, here, there file) bool {
	return p.record.Pending[path] == here.hash && bytes.HasPrefix(here.content, there.content)
}

// isSecret reports whether a file has secrets, which those in the stack were given for
// good.
func isSecret(path string) bool { return strings.HasSuffix(path, ".secrets.json") }

// lines counts those that only one of two texts has.
func lines(here, there []byte) (added, gone int) {
	if bytes.IndexByte(here, 0) >= 0 || bytes.IndexByte(there, 0) >= 0 {
		return 0, 0 // no text
	}
	count := map[string]int{}
	for line := range bytes.Lines(here) {
		count[string(bytes.TrimRight(line, "\r\n"))]++
	}
	for line := range bytes.Lines(there) {
		count[string(bytes.TrimRight(line, "\r\n"))]--
	}
	for _, n := range count {
		added, gone = added+max(n, 0), gone+max(-n, 0)
	}
	return added, gone
}

// Deliverable reports whether there is a container to deliver to.
func (p Plan) Deliverable() bool { return p.container != "" }

// Of returns the changes that have one of some actions.
func (p Plan) Of(actions ...Action) []Change {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c Change) bool { return !slices.Contains(actions, c.Action) })
}

// Summary says in one line what a delivery does, "" if there is nothing to say.
func (p Plan) Summary() string {
	var parts []string
	for _, part := range []struct {
		action Action
		text   string
	}{{Add, "new"}, {Update, "updated"}, {Changed, "changed in the stack, which stay so"}, {Deleted, "deleted in the stack, which stay so"}, {Conflict, "changed on both sides, which stay as the stack has them"}} {
		if n := len(p.Of(part.action)); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, part.text))
		}
	}
	return strings.Join(parts, ", ")
}

// becomes says what becomes of a file when a side is taken, for a list.
func (c Change) becomes(take Side) string {
	text := map[Action][2]string{
		Add: {"new"}, Update: {"updated"}, Changed: {"changed in the stack only", "stays"}, Deleted: {"deleted in the stack", "stays deleted"},
		Conflict: {"changed on both sides", "stays as the stack has it"},
	}[c.Action]
	switch {
	case text[1] == "":
		return text[0]
	case take == Host && !c.there.foreign:
		text[1] = "the project's takes its place"
	case take == Stack && c.takable():
		text[1] = "taken over into the project"
	}
	return text[0] + ": " + text[1]
}

// takable reports whether the stack's version can be taken over into the project.
func (c Change) takable() bool {
	return (c.Action == Changed || c.Action == Conflict) && c.there.content != nil && !c.there.foreign
}

// Takable returns the files whose versions in the stack can be taken over.
func (p Plan) Takable() []Change {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c Change) bool { return !c.takable() })
}

// Text returns the differences for people, and what becomes of them when a side is taken.
func (p Plan) Text(take Side) string {
	var text strings.Builder
	width := 0
	for _, c := range p.Changes {
		width = max(width, len(c.Path))
	}
	for _, c := range p.Changes {
		counts := ""
		if c.Added+c.Gone > 0 {
			counts = fmt.Sprintf("  +%d -%d lines", c.Added, c.Gone)
		}
		fmt.Fprintf(&text, "  %-*s  %s%s\n", width, c.Path, c.becomes(take), counts)
	}
	for _, path := range p.Secrets {
		fmt.Fprintf(&text, "  %-*s  secrets: stay as the stack has them\n", width, path)
	}
	return cmp.Or(text.String(), "nothing differs\n")
}

// file is a file's content.
type file struct {
	content []byte // nil: it is not there
	hash    string
	mode    int64
	foreign bool // no regular file, or too large: nothing may be written over it
}

func newFile(content []byte, mode int64) file {
	sum := sha256.Sum256(content)
	return file{content: append([]byte{}, content...), hash: hex.EncodeToString(sum[:]), mode: mode}
}
