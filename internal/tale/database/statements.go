package database

import (
	"fmt"
	"io/fs"
	"strings"

	db "github.com/tale-project/tale-runtime/images/db"
)

// The databases of a stack, as the image's scripts name them.
const (
	Platform  = "tale_platform"
	Knowledge = "tale_knowledge"
)

// step is a statement and where it is to be run.
type step struct {
	database  string // "" is any
	statement string
}

// steps returns the statements of the image's scripts, in order. They are plain SQL but
// for \connect, which has a paragraph of its own.
func steps() ([]step, error) {
	names, err := fs.Glob(db.Files, "initdb/*.sql")
	if err != nil {
		return nil, err
	}
	var all []step
	for _, name := range names {
		content, err := db.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		database := ""
		for paragraph := range strings.SplitSeq(string(content), "\n\n") {
			paragraph = strings.TrimSpace(paragraph)
			connect, is := strings.CutPrefix(paragraph, `\connect `)
			switch {
			case is:
				database = connect
			case strings.Contains(paragraph, "\n\\") || strings.HasPrefix(paragraph, "\\"):
				return nil, fmt.Errorf("%s has a command of psql that is not known here: %s", name, paragraph)
			case statementOf(paragraph) != "":
				all = append(all, step{database, paragraph})
			}
		}
	}
	return all, nil
}

// statementOf returns what a paragraph has below its comments.
func statementOf(paragraph string) string {
	for strings.HasPrefix(paragraph, "--") {
		_, paragraph, _ = strings.Cut(paragraph, "\n")
	}
	return paragraph
}
