package config

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/go-envparse"
)

// parseDotenv reads a dotenv file. There is no standard for those; this is the
// dialect of docker compose (github.com/compose-spec/compose-go/v2/dotenv), as the
// same file is given to it. What go-envparse reads differently is brought into its
// form first: a # or a quote within a value, values over several lines, references to
// variables. What compose would cut short or leave out and go on is an error, which
// never shows what stands there. lookup is about the environment, which wins over the
// file. It returns the values, and the names that have several (Overridden).
func parseDotenv(text string, lookup func(name string) (string, bool)) (values map[string]string, repeated []string, err error) {
	f := dotenv{rest: strings.TrimPrefix(text, "\ufeff"), line: 1, values: map[string]string{}, given: map[string][]string{}, lookup: lookup}
	for f.skip(); f.rest != ""; f.skip() {
		begins := f.line
		if err := f.statement(); err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", begins, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.given)) {
		if Overridden(f.given[name]) >= 0 {
			repeated = append(repeated, name)
		}
	}
	return f.values, repeated, nil
}

// Overridden returns which of the values that a file gives one name is the first that the last
// takes the place of, -1 if none is. An empty one is what .env.example has, to be filled in.
func Overridden(values []string) int {
	return slices.IndexFunc(values, func(value string) bool { return value != "" && value != values[len(values)-1] })
}

// dotenv is a file that is being read.
type dotenv struct {
	rest   string
	line   int // on which the rest begins
	values map[string]string
	given  map[string][]string // all values of each name, of which the last counts
	lookup func(name string) (string, bool)
}

func (f *dotenv) take(n int) string {
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	f.line += strings.Count(taken, "\n")
	return taken
}

// skip goes to the next statement, past blank lines and comments.
func (f *dotenv) skip() {
	for {
		f.take(len(f.rest) - len(strings.TrimLeftFunc(f.rest, unicode.IsSpace)))
		if !strings.HasPrefix(f.rest, "#") {
			return
		}
		f.take(f.endOfLine())
	}
}

func (f *dotenv) skipBlanks() {
	f.take(len(f.rest) - len(strings.TrimLeftFunc(f.rest, isBlank)))
}

func isBlank(r rune) bool { return r != '\n' && r <= 0xa0 && unicode.IsSpace(r) }

func (f *dotenv) endOfLine() int {
	if end := strings.IndexByte(f.rest, '\n'); end >= 0 {
		return end
	}
	return len(f.rest)
}

var (
	exportPrefix = regexp.MustCompile(`^export[ \t]+`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)
)

// statement reads NAME=value, NAME: value, or a NAME that has a value already.
func (f *dotenv) statement() error {
	f.take(len(exportPrefix.FindString(f.rest)))
	line := f.rest[:f.endOfLine()]
	end := strings.IndexAny(line, "=:")
	if end < 0 {
		if _, set := f.get(strings.TrimRightFunc(f.take(len(line)), isBlank)); !set {
			return errors.New("there is no =; a value of several lines must be in quotes")
		}
		return nil
	}
	name := strings.TrimRightFunc(f.take(end), isBlank)
	if !variableName.MatchString(name) {
		return errors.New("what stands before the = is not the name of a variable; a value of several lines must be in quotes")
	}
	f.take(1)
	f.skipBlanks()
	value, err := f.value()
	if err != nil {
		return err
	}
	parsed, err := envparse.Parse(strings.NewReader(name + "=" + envparseForm(value)))
	if failed := new(envparse.ParseError); errors.As(err, &failed) && failed.Err == bufio.ErrTooLong { //nolint:errorlint // it is returned as it is
		return errors.New("the value is longer than 64 KiB")
	}
	f.given[name] = append(f.given[name], parsed[name])
	maps.Copy(f.values, parsed)
	return err
}

// envparseForm quotes a value as go-envparse takes it, which is as in JSON.
func envparseForm(value string) string {
	var form strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case c < ' ':
			fmt.Fprintf(&form, `\u%04x`, c)
		case c == '"' || c == '\\':
			form.WriteByte('\\')
			fallthrough
		default:
			form.WriteByte(c)
		}
	}
	return `"` + form.String() + `"`
}

func (f *dotenv) value() (string, error) {
	if strings.HasPrefix(f.rest, "'") {
		return f.quoted('\'')
	}
	if strings.HasPrefix(f.rest, `"`) {
		text, err := f.quoted('"')
		if err != nil {
			return "", err
		}
		text = escapes.Replace(text)
		if strings.IndexByte(text, 0) >= 0 {
			return "", errors.New("there is a zero byte, or an escape of one")
		}
		return f.expand(text)
	}
	text, _, _ := strings.Cut(f.take(f.endOfLine()), " #")
	return f.expand(strings.TrimRightFunc(text, unicode.IsSpace))
}

// escapes are those between double quotes; $$ is a dollar sign for expand. Octal
// numbers (\0…) are not taken.
var escapes = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, "$$", `\a`, "\a", `\b`, "\b", `\f`, "\f", `\n`, "\n", `\r`, "\r", `\t`, "\t", `\v`, "\v", `\0`, "\x00")

// quoted reads up to the closing quote. A backslash is left unless it is before a
// quote.
func (f *dotenv) quoted(quote byte) (string, error) {
	var text strings.Builder
	escaped := false
	for i := 1; i < len(f.rest); i++ {
		c := f.rest[i]
		switch {
		case c == quote && !escaped:
			f.take(i + 1)
			f.skipBlanks()
			if line := f.rest[:f.endOfLine()]; line != "" && line[0] != '#' {
				return "", errors.New("there is text behind the closing quote")
			}
			return text.String(), nil
		case c == '\\' && !escaped:
			escaped = true
			continue
		case escaped && c != quote:
			text.WriteByte('\\')
		}
		escaped = false
		text.WriteByte(c)
	}
	return "", errors.New("a quote is not closed")
}

var (
	reference = regexp.MustCompile(`\$(?:\$|[A-Za-z_][A-Za-z0-9_]*|\{[^{}$]*\}|\{)`)
	braced    = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*))?\}$`)
)

// expand replaces references to variables.
func (f *dotenv) expand(text string) (string, error) {
	var problem error
	expanded := reference.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$$" {
			return "$"
		}
		name, operator, word := found[1:], "", ""
		if found[1] == '{' {
			parts := braced.FindStringSubmatch(found)
			if parts == nil {
				problem = errors.New("there is a ${…} of a form that is not taken here; write $$ for a dollar sign, or put the value in single quotes")
				return ""
			}
			name, operator, word = parts[1], parts[2], parts[3]
		}
		value, set := f.get(name)
		if strings.HasPrefix(operator, ":") {
			set = value != ""
		}
		switch {
		case strings.HasSuffix(operator, "+") && set, strings.HasSuffix(operator, "-") && !set:
			return word
		case operator == "" && !set, strings.HasSuffix(operator, "?") && !set:
			problem = errors.New("there is a reference to a variable that is not set; write $$ for a dollar sign, or put the value in single quotes")
		}
		return value
	})
	return expanded, problem
}

// get returns the value of a variable as of the line that is read.
func (f *dotenv) get(name string) (string, bool) {
	if value, set := f.lookup(name); set {
		return value, true
	}
	value, set := f.values[name]
	return value, set
}
