package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/mattn/go-shellwords"
)

// Command is a command line as a setting holds it, split into words as a shell
// does and nothing else of what a shell does: no variables, no globs, no
// operators. Empty means that there is no command.
type Command []string

// commandError says why a line is no command, without what stands there: that may hold a secret.
type commandError struct{ kind string } // "a command: …", which it is not

func (e *commandError) Error() string { return "not " + e.kind }

var errNotCommand = &commandError{"a command; quote what holds blanks, and leave out shell operators"}

func assignmentError(name string) error {
	return &commandError{fmt.Sprintf("a command: it begins with an assignment to %s, which a shell takes and nothing else; write env %[1]s=… before the program, or set %[1]s in the environment of the container", name)}
}

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// ParseCommand splits a command line. An assignment before the program is refused: it would be
// taken for the program.
func ParseCommand(line string) (Command, error) {
	parser := shellwords.NewParser()
	words, err := parser.Parse(line)
	// The parser stops at an operator and leaves the rest of the line unread.
	if err != nil || parser.Position >= 0 || (len(words) == 0 && strings.TrimSpace(line) != "") {
		return nil, errNotCommand
	}
	if len(words) > 0 && assignment.MatchString(words[0]) {
		name, _, _ := strings.Cut(words[0], "=")
		return nil, assignmentError(name)
	}
	return words, nil
}
