package database

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Migration is a file of dbmate's format. Its name begins with its version, and the
// names' order is that of the migrations.
type Migration struct {
	Version string
	Name    string
	path    string
}

// These, and what they refuse, are dbmate's (2.36.0, pkg/dbmate).
var (
	migrationName  = regexp.MustCompile(`^(\d+).*\.sql$`)
	upDirective    = regexp.MustCompile(`(?m)^--\s*migrate:up(\s*$|\s+\S+)`)
	downDirective  = regexp.MustCompile(`(?m)^--\s*migrate:down(\s*$|\s+\S+)`)
	blankOrComment = regexp.MustCompile(`^\s*(--.*)?$`)
	directive      = regexp.MustCompile(`^--\s*migrate:(up|down)`)
)

// Migrations returns those in a folder, in order.
func Migrations(dir string) ([]Migration, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, exit.Errorf(exit.Config, "cannot read the migrations: %w", err)
	}
	var found []Migration
	for _, entry := range entries {
		// A link to a folder is read as a file, and refused then.
		if match := migrationName.FindStringSubmatch(entry.Name()); match != nil && !entry.IsDir() {
			// Of a name with a line break it is the first line, with which there is no file.
			found = append(found, Migration{Version: match[1], Name: match[0], path: filepath.Join(dir, match[0])})
		}
	}
	slices.SortFunc(found, func(a, b Migration) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

// script is the part of a migration that is run.
type script struct {
	text        string // from the directive on
	line        int    // of the file at which it begins, from 1
	transaction bool
}

// up reads what brings a migration about.
func (m Migration) up() (script, error) {
	content, err := os.ReadFile(m.path)
	if err != nil {
		return script{}, err
	}
	return parseUp(string(content))
}

func parseUp(content string) (script, error) {
	ups, downs := upDirective.FindAllStringIndex(content, -1), downDirective.FindAllStringIndex(content, -1)
	switch {
	case len(ups) == 0:
		return script{}, errors.New("it has no line `-- migrate:up`")
	case slices.ContainsFunc(strings.Split(content[:ups[0][0]], "\n"), func(line string) bool { return !blankOrComment.MatchString(line) }):
		// A down block in front is such a thing only if it has statements.
		return script{}, errors.New("it has statements before `-- migrate:up`")
	case len(ups) > 1:
		return script{}, errors.New("it has two lines `-- migrate:up`: a version is recorded once, so make two files of it")
	}
	begin := ups[0][0]
	downs = slices.DeleteFunc(downs, func(at []int) bool { return at[0] < begin })
	switch {
	case len(downs) == 0:
		return script{}, errors.New("it has no line `-- migrate:down` below `-- migrate:up`; nothing need follow it")
	case len(downs) > 1:
		return script{}, errors.New("it has two lines `-- migrate:down`")
	}
	text := content[begin:downs[0][0]]
	if strings.Contains(text, "\x00") {
		return script{}, errors.New("it has a zero byte")
	}
	return script{text: text, line: 1 + strings.Count(content[:begin], "\n"), transaction: transactional(text)}, nil
}

// transactional reports whether a script is to run in a transaction, which its first line
// can deny. Of an option that is given twice the last counts; others are unknown.
func transactional(text string) bool {
	first, _, _ := strings.Cut(text, "\n")
	wanted := true
	for option := range strings.FieldsSeq(directive.ReplaceAllString(first, "")) {
		if parts := strings.Split(option, ":"); len(parts) == 2 && parts[0] == "transaction" {
			wanted = parts[1] != "false"
		}
	}
	return wanted
}

// lineAt returns the line of the file at a position, which Postgres counts in characters
// from 1.
func (s script) lineAt(position int32) int {
	runes := []rune(s.text)
	return s.line + strings.Count(string(runes[:min(max(int(position)-1, 0), len(runes))]), "\n")
}

func (m Migration) String() string { return fmt.Sprintf("%s (version %s)", m.Name, m.Version) }
