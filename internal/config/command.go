package config

import (
	"errors"
	"strings"

	"github.com/mattn/go-shellwords"
)

// Command is a command line as a setting holds it, split into words as a shell
// does and nothing else of what a shell does: no variables, no globs, no
// operators. Empty means that there is no command.
type Command []string

var errNotCommand = errors.New("not a command")

// ParseCommand splits a command line.
func ParseCommand(line string) (Command, error) {
	parser := shellwords.NewParser()
	words, err := parser.Parse(line)
	// The parser stops at an operator and leaves the rest of the line unread.
	if err != nil || parser.Position >= 0 || (len(words) == 0 && strings.TrimSpace(line) != "") {
		return nil, errNotCommand
	}
	return words, nil
}
