package project

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// File is tale.json.
type File struct {
	Version    int               // of the file's form
	CLIVersion string            // of the command that made the project
	CreatedAt  string            // RFC 3339
	ID         string            // first part of the names of containers, volumes and networks; it never changes
	Name       string            // for people, "" if it has none
	Services   []string          // those of the stack that the project has; none named: all
	Images     map[string]string // reference by service, instead of Tale's own images

	others map[string]json.RawMessage // members of other versions
}

const (
	formVersion = 1
	maxID       = 40
	maxBase     = 33 // of an id, before a dash and six digits
)

var (
	idForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)
	notInID  = regexp.MustCompile(`[^a-z0-9]+`)
)

func newID(name string) string {
	base := strings.Trim(notInID.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if len(base) > maxBase {
		base = strings.TrimRight(base[:maxBase], "-")
	}
	return cmp.Or(base, "tale") + "-" + hex.EncodeToString(random(3))
}

func readFile(path string) (File, error) {
	text, err := ReadFile(path)
	if err != nil {
		return File{}, err
	}
	f, problems := decode(text)
	for i := range problems {
		problems[i].Variable = path + ": " + problems[i].Variable
	}
	return f, problems.Err()
}

// member is one of the file's.
type member struct {
	name  string
	value any
	form  string
	leave bool // out of the file when it is empty
}

// members returns where the members of the file go, in their order.
func (f *File) members() []member {
	return []member{
		{"version", &f.Version, "a number", false},
		{"cliVersion", &f.CLIVersion, "text", f.CLIVersion == ""},
		{"createdAt", &f.CreatedAt, "text", f.CreatedAt == ""},
		{"id", &f.ID, "text", f.ID == ""},
		{"name", &f.Name, "text", f.Name == ""},
		{"services", &f.Services, `a list such as ["convex", "platform", "proxy"]`, len(f.Services) == 0},
		{"images", &f.Images, `an object such as {"platform": "registry.example.com/shop:1.4"}`, len(f.Images) == 0},
	}
}

func decode(text []byte) (File, config.Problems) {
	f := File{}
	if err := json.Unmarshal(text, &f.others); err != nil || f.others == nil {
		return f, config.Problems{{Variable: "the file", Wrong: "is not a JSON object" + lineOf(text, err), Accepted: `an object such as {"version": 1, "id": "shop-1a2b3c"}`}}
	}
	var problems config.Problems
	for _, member := range f.members() {
		raw, there := f.others[member.name]
		delete(f.others, member.name)
		if !there {
			continue
		}
		if err := json.Unmarshal(raw, member.value); err != nil {
			problems = append(problems, config.Problem{Variable: member.name, Wrong: "is of another type", Accepted: member.form})
		}
	}
	return f, slices.Concat(problems, f.misspelt(), f.validate())
}

// lineOf says on which line of a text a parser has failed, as far as it tells.
func lineOf(text []byte, err error) string {
	about, known := errors.AsType[*json.SyntaxError](err)
	if !known {
		return ""
	}
	return fmt.Sprintf(": look at line %d", 1+bytes.Count(text[:min(int(about.Offset), len(text))], []byte{'\n'}))
}

func (f *File) validate() (problems config.Problems) {
	add := func(member, accepted, wrong string, args ...any) {
		problems = append(problems, config.Problem{Variable: member, Wrong: fmt.Sprintf(wrong, args...), Accepted: accepted})
	}
	if f.Version > formVersion {
		add("version", "1, or a newer tale (tale upgrade)", "is %d, of a newer tale than this one", f.Version)
	}
	if f.ID != "" && (len(f.ID) > maxID || !idForm.MatchString(f.ID)) {
		add("id", "at most 40 lower-case letters, digits and dashes, as it was: containers and volumes are named by it (docker volume ls)", "%q is malformed", f.ID)
	}
	known := serviceNames()
	for i, name := range f.Services {
		switch {
		case !slices.Contains(known, name):
			add("services", strings.Join(known, ", "), "name %q, which is unknown", name)
		case slices.Contains(f.Services[:i], name):
			add("services", "each once", "name %q twice", name)
		}
	}
	for _, missing := range f.missingServices() {
		add("services", "every service that another one needs; db may be left out where POSTGRES_URL names a server", "%s", missing)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Images)) {
		if !slices.Contains(known, name) {
			add("images", strings.Join(known, ", "), "name %q, which is unknown", name)
		} else if strings.HasPrefix(f.Images[name], "sha256:") {
			add("images", "an image such as registry.example.com/shop:1.4", "has an id for %s, which no registry knows", name)
		} else if _, err := reference.ParseNormalizedNamed(f.Images[name]); err != nil {
			add("images", "an image such as registry.example.com/shop:1.4", "has %q for %s: %v", f.Images[name], name, err)
		}
	}
	return problems
}

func (f *File) missingServices() (missing []string) {
	for _, service := range stack.Services() {
		if !slices.Contains(f.Services, service.Name) {
			continue
		}
		for _, needed := range service.Needs {
			if needed != stack.DB && !slices.Contains(f.Services, needed) {
				missing = append(missing, fmt.Sprintf("have %s without %s, which it needs", service.Name, needed))
			}
		}
	}
	return missing
}

func serviceNames() []string {
	var names []string
	for _, service := range stack.Services() {
		names = append(names, service.Name)
	}
	return names
}

// encode returns the file's text: the members that are known in their order, then the
// others.
func (f *File) encode() []byte {
	var text bytes.Buffer
	put := func(name string, value any) {
		if text.Len() > 0 {
			text.WriteByte(',')
		}
		for i, part := range []any{name, value} {
			text.WriteString([]string{"", ":"}[i])
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			_ = encoder.Encode(part) // strings, numbers, and what was JSON before
		}
	}
	for _, member := range f.members() {
		if !member.leave {
			put(member.name, member.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.others)) {
		put(name, f.others[name])
	}
	var pretty bytes.Buffer
	_ = json.Indent(&pretty, []byte("{"+text.String()+"}"), "", "  ")
	return append(pretty.Bytes(), '\n')
}
