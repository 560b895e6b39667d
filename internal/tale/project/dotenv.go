package project

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"

	"github.com/tale-project/tale-runtime/internal/config"
)

// envText is a .env file. What its values are, compose's own parser says; taking it
// apart is for what that one does not say: where something is wrong, without what
// stands there, and where a value may be put.
type envText struct {
	text       string
	statements []statement
	problems   config.Problems // of its form
	warnings   []string
}

// statement is NAME=value, or a NAME whose value is the shell's.
type statement struct {
	name       string
	inherited  bool
	line       int // on which it begins, from 1
	begin, end int // in the text
	value      int // behind the =, if it is not inherited
}

// parseEnv reads a file as compose does, but that variables of the file win over those
// of the shell of the same name, also where others refer to them.
func parseEnv(text string, shell config.Environ) (map[string]string, envText) {
	t := envText{text: strings.TrimPrefix(text, "\ufeff")}
	t.split()
	assigned := map[string]bool{}
	for _, s := range t.statements {
		assigned[s.name] = assigned[s.name] || !s.inherited
	}
	lookup := func(name string) (string, bool) {
		value, set := shell[name]
		return value, set && !assigned[name]
	}
	values, err := dotenv.UnmarshalWithLookup(t.text, lookup)
	if err == nil {
		t.problems = nil
	} else if t.findProblems(lookup); len(t.problems) == 0 {
		t.problem(1, "or another one cannot be read as docker compose reads it")
	}
	for name, value := range values {
		if strings.ContainsRune(value, 0) {
			t.problem(t.lineOf(name), "gives "+name+" a zero byte, which no environment can hold")
		}
	}
	t.warn(values, lookup)
	t.warnOfSeveral()
	delete(values, "") // of a file that ends in a name, without a line break
	return values, t
}

func (t *envText) problem(line int, wrong string) {
	t.problems = append(t.problems, config.Problem{Variable: fmt.Sprintf("%s, line %d,", EnvName, line), Wrong: wrong})
}

// lineOf returns the line that gives a variable its value, 0 if none does.
func (t *envText) lineOf(name string) int {
	s, _ := t.last(name)
	return s.line
}

// split finds the statements by the rules of compose's parser, and goes on behind what
// is wrong.
func (t *envText) split() {
	line, counted := 1, 0
	quoteFrom, quoteTo := 0, 0 // lines of the last value in quotes
	for pos := t.skip(0); pos < len(t.text); pos = t.skip(pos) {
		line += strings.Count(t.text[counted:pos], "\n")
		counted = pos
		s := statement{begin: pos, line: line}
		nameEnd, wrong := t.name(&s)
		if wrong != "" {
			if quoteTo == s.line && quoteFrom < quoteTo {
				wrong = fmt.Sprintf("has text behind a closing quote, whose value began on line %d: is a quote missing there?", quoteFrom)
			}
			t.problem(s.line, wrong)
			pos = t.lineEnd(pos)
			continue
		}
		s.end = nameEnd
		if !s.inherited {
			s.value = nameEnd
			quoted, closed := t.valueEnd(&s)
			if !closed {
				t.problem(s.line, "has a quote that is not closed")
				pos = t.lineEnd(pos)
				continue
			}
			if quoted {
				quoteFrom, quoteTo = line, line+strings.Count(t.text[pos:s.end], "\n")
			}
		}
		t.statements = append(t.statements, s)
		pos = s.end
	}
}

func (t *envText) lineEnd(pos int) int {
	if n := strings.IndexByte(t.text[pos:], '\n'); n >= 0 {
		return pos + n
	}
	return len(t.text)
}

// skip returns where the next statement begins, behind blank lines and comments.
func (t *envText) skip(pos int) int {
	for {
		rest := strings.TrimLeftFunc(t.text[pos:], unicode.IsSpace)
		pos = len(t.text) - len(rest)
		if !strings.HasPrefix(rest, "#") {
			return pos
		}
		pos = t.lineEnd(pos)
	}
}

func isBlank(r rune) bool { return r != '\n' && r <= 0xa0 && unicode.IsSpace(r) }

var exportPrefix = regexp.MustCompile(`^export\s+`)

// name reads the name of a statement and returns what is behind it and the = or :.
func (t *envText) name(s *statement) (end int, wrong string) {
	begin := s.begin
	if exportPrefix.MatchString(t.text[begin:]) {
		rest := strings.TrimLeftFunc(strings.TrimPrefix(t.text[begin:], "export"), isBlank)
		begin = len(t.text) - len(rest)
	}
	end = len(t.text)
	s.inherited = true
	for i, r := range t.text[begin:] {
		if r == '=' || r == ':' || r == '\n' {
			s.inherited = r == '\n'
			end = begin + i + 1
			break
		}
		if !isBlank(r) && !strings.ContainsRune("_.-[]", r) && !unicode.IsLetter(r) && !unicode.IsNumber(r) {
			return 0, "is not NAME=value: before the = there is more than a name; a value of several lines must be in quotes"
		}
	}
	s.name = strings.TrimRightFunc(strings.TrimRight(t.text[begin:end], "=:\n"), unicode.IsSpace)
	if strings.Contains(s.name, " ") {
		return 0, "is not NAME=value: there is a blank in the name; a value of several lines must be in quotes"
	}
	return end, ""
}

// valueEnd finds the end of a value.
func (t *envText) valueEnd(s *statement) (quoted, closed bool) {
	rest := strings.TrimLeftFunc(t.text[s.value:], isBlank)
	begin := len(t.text) - len(rest)
	if !strings.HasPrefix(rest, `"`) && !strings.HasPrefix(rest, "'") {
		s.end = t.lineEnd(begin)
		return false, true
	}
	escaped := false
	for i := 1; i < len(rest); i++ {
		if rest[i] == rest[0] && !escaped {
			s.end = begin + i + 1
			return true, true
		}
		escaped = rest[i] == '\\' && !escaped
	}
	return true, false
}

// findProblems has compose's parser read each statement by itself.
func (t *envText) findProblems(lookup dotenv.LookupFn) {
	values := map[string]string{}
	for _, s := range t.statements {
		one, err := dotenv.UnmarshalWithLookup(t.text[s.begin:s.end], func(name string) (string, bool) {
			if value, set := lookup(name); set {
				return value, true
			}
			value, set := values[name]
			return value, set
		})
		maps.Copy(values, one)
		var missing *template.MissingRequiredError
		switch {
		case errors.As(err, &missing):
			t.problem(s.line, fmt.Sprintf("refers to %s, which is not set", missing.Variable))
		case err != nil:
			t.problem(s.line, "has a ${…} that is none: write $$ for a dollar sign, or put the value in single quotes")
		}
	}
}

var (
	escapedDollar = regexp.MustCompile(`\$\$|\\\$`)
	plainName     = regexp.MustCompile(`\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})`)
)

// warn names the lines whose values lose something, because a $ in them is taken for a
// reference. What follows the $ may be a part of a secret.
func (t *envText) warn(values map[string]string, lookup dotenv.LookupFn) {
	for _, s := range t.statements {
		if s.inherited || strings.HasPrefix(strings.TrimLeftFunc(t.text[s.value:s.end], isBlank), "'") {
			continue
		}
		text := strings.TrimSuffix(t.text[s.value:s.end], behind(t.text[s.value:s.end]))
		for _, found := range plainName.FindAllStringSubmatch(escapedDollar.ReplaceAllString(text, ""), -1) {
			name := found[1] + found[2]
			_, inFile := values[name]
			if _, set := lookup(name); !set && !inFile {
				t.warnings = append(t.warnings, fmt.Sprintf("%s, line %d: %s refers to a variable that is not set, and gets nothing in its place; for a dollar sign write $$, or put the value in single quotes", EnvName, s.line, s.name))
				break
			}
		}
	}
}

// warnOfSeveral names the variables that have two values in the file, of which compose takes
// the last without a word.
func (t *envText) warnOfSeveral() {
	given, values := map[string][]statement{}, map[string][]string{}
	for _, s := range t.statements {
		if !s.inherited {
			given[s.name], values[s.name] = append(given[s.name], s), append(values[s.name], t.valueOf(s))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if i := config.Overridden(values[name]); i >= 0 {
			last := given[name][len(given[name])-1]
			t.warnings = append(t.warnings, fmt.Sprintf("%s, line %d: %s has another value on line %d, which counts: leave one of them", EnvName, given[name][i].line, name, last.line))
		}
	}
}

// valueOf returns the value that a statement gives by itself, with names in place of the
// variables that it refers to; "" for one that cannot be read.
func (t *envText) valueOf(s statement) string {
	one, err := dotenv.UnmarshalWithLookup(t.text[s.begin:s.end], func(name string) (string, bool) { return "$" + name, true })
	if err != nil {
		return ""
	}
	return one[s.name]
}

// variable is one that is to be set.
type variable struct{ name, value, comment string }

// with returns the text with variables set: where the file sets them already, and at
// its end otherwise.
func (t *envText) with(variables []variable) string {
	text := t.text
	var added strings.Builder
	for _, v := range variables {
		now := envText{text: text}
		now.split()
		s, found := now.last(v.name)
		if !found {
			if v.comment != "" {
				added.WriteString("# " + v.comment + "\n")
			}
			added.WriteString(v.name + "=" + quote(v.value) + "\n")
			continue
		}
		text = text[:s.value] + quote(v.value) + behind(text[s.value:s.end]) + text[s.end:]
	}
	at := ignoredFrom(text)
	if added.Len() > 0 && at == len(text) && text != "" && !strings.HasSuffix(text, "\n") {
		text, at = text+"\n", at+1
	}
	return text[:at] + added.String() + text[at:]
}

// ignoredFrom returns where a last line begins that is no statement and has no line break,
// which compose leaves out and would read if it had one; or else the end of the text.
func ignoredFrom(text string) int {
	begin := strings.LastIndexByte(text, '\n') + 1
	t := envText{text: text}
	t.split()
	isValue := slices.ContainsFunc(t.statements, func(s statement) bool { return s.end > begin && !s.inherited })
	if line := strings.TrimSpace(text[begin:]); line == "" || line[0] == '#' || isValue {
		return len(text)
	}
	return begin
}

// behind returns what follows a value on its line and stays: a comment, or half of a
// line break.
func behind(value string) string {
	plain := strings.TrimLeft(strings.TrimLeftFunc(value, isBlank), `"'`) == strings.TrimLeftFunc(value, isBlank)
	if at := strings.Index(value, " #"); at >= 0 && plain {
		return value[at:]
	}
	return value[len(strings.TrimSuffix(value, "\r")):]
}

// last returns the statement that gives a variable its value.
func (t *envText) last(name string) (statement, bool) {
	for i := len(t.statements) - 1; i >= 0; i-- {
		if s := t.statements[i]; s.name == name && !s.inherited {
			return s, true
		}
	}
	return statement{}, false
}

var plainValue = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,?&~-]+$`)

// quote returns a value as it is written into the file.
func quote(value string) string {
	switch {
	case plainValue.MatchString(value):
		return value
	case !strings.ContainsAny(value, `'\`):
		return "'" + value + "'"
	default:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value) + `"`
	}
}
