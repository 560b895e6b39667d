package docs_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mattn/go-shellwords"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/convex"
	simulator "github.com/tale-project/tale-runtime/internal/convexsim/command"
	"github.com/tale-project/tale-runtime/internal/demo"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/internal/tale"
)

// programs returns a command line of each binary.
func programs() []*cobra.Command {
	return []*cobra.Command{platform.Command(nil), convex.Command(nil), proxy.Command(), tale.Command(nil), simulator.New(), demo.Command(nil)}
}

// eachCommand calls do for every command that help shows.
func eachCommand(command *cobra.Command, do func(*cobra.Command)) {
	do(command)
	for _, sub := range command.Commands() {
		if !sub.Hidden && sub.Name() != "help" {
			eachCommand(sub, do)
		}
	}
}

func helpOf(t *testing.T, program int, args []string) string {
	t.Helper()
	root := programs()[program]
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(args, "--help"))
	if code := cli.Main(root); code != 0 {
		t.Errorf("%s %v --help ends with %d", root.Name(), args, code)
	}
	return out.String()
}

var (
	settingsPart = regexp.MustCompile(`(?m)^Settings: (none|variables of the environment\n  (must|may) be set:|variables of the environment\n  rarely:)`)
	pagesPart    = regexp.MustCompile(`(?m)^More: (.+)$`)
	endsPart     = regexp.MustCompile(`(?m)^Exit codes: .+`)
)

// TestEveryCommandHasAManual runs the help of every command and asks for its parts.
func TestEveryCommandHasAManual(t *testing.T) {
	commands := 0
	for program, root := range programs() {
		eachCommand(root, func(command *cobra.Command) {
			commands++
			help := helpOf(t, program, strings.Fields(command.CommandPath())[1:])
			if !settingsPart.MatchString(help) {
				t.Errorf("%s --help does not name its settings:\n%s", command.CommandPath(), help)
			}
			pages := pagesPart.FindStringSubmatch(help)
			if pages == nil {
				t.Errorf("%s --help names no page", command.CommandPath())
				return
			}
			for page := range strings.SplitSeq(pages[1], ", ") {
				if !exists(path.Join("..", "..", page)) {
					t.Errorf("%s --help names %s, which does not exist", command.CommandPath(), page)
				}
			}
			if command.HasAvailableSubCommands() && command.Parent() != nil {
				return // a group: its commands have the rest
			}
			if !endsPart.MatchString(help) {
				t.Errorf("%s --help does not say how it ends", command.CommandPath())
			}
			if command.Example == "" {
				t.Errorf("%s has no example", command.CommandPath())
			}
			for example := range strings.Lines(command.Example) {
				if callsIn(t, example) == 0 {
					t.Errorf("%s: the example %q calls none of the programs", command.CommandPath(), strings.TrimSpace(example))
				}
			}
		})
	}
	if commands < 50 {
		t.Errorf("%d commands", commands)
	}
}

// inlineCall is one within a sentence.
var inlineCall = regexp.MustCompile("`((?:tale|platform-entrypoint|convex-entrypoint) [a-z-][^`]*)`")

// TestPagesCallWhatExists reads the calls of our programs in the code of the pages.
func TestPagesCallWhatExists(t *testing.T) {
	calls := 0
	for _, page := range pages(t) {
		code := false
		for line := range strings.Lines(strings.ReplaceAll(read(t, page), "\\\n", "")) {
			if strings.HasPrefix(line, "```") {
				code = !code && strings.TrimSpace(line) == "```sh"
			} else if code {
				calls += callsIn(t, line)
			} else {
				for _, inline := range inlineCall.FindAllStringSubmatch(line, -1) {
					calls += callsIn(t, inline[1])
				}
			}
		}
	}
	if calls < 90 {
		t.Errorf("%d calls", calls)
	}
}

// TestMessagesCallWhatExists reads the calls of tale that its messages advise.
func TestMessagesCallWhatExists(t *testing.T) {
	calls := 0
	for _, name := range tracked(t) {
		if !strings.HasPrefix(name, "internal/") || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path.Join(root, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if literal, is := node.(*ast.BasicLit); is && strings.HasPrefix(literal.Value, `"`) {
				for _, advised := range inlineCall.FindAllStringSubmatch(literal.Value, -1) {
					calls += callsIn(t, verb.ReplaceAllString(advised[1], "x"))
				}
			}
			return true
		})
	}
	if calls < 30 {
		t.Errorf("%d calls", calls)
	}
}

// verb is what a message has in the place of a value.
var verb = regexp.MustCompile(`%(?:\[\d\])?[sqdv]`)

// call is a program of ours and its arguments, up to what is the shell's.
var call = regexp.MustCompile(`(?:^|[|;&(] *|exec (?:-\S+ )*\S+ |^\S+=\S+ )(?:bin/)?(tale|proxy|demo|convex-sim|platform-entrypoint|convex-entrypoint)((?: +[^\s|;&)>#]+)*)(?:[\s|;&)>]|$)`)

// callsIn parses the calls of our programs in a line of shell as they would, and
// returns how many there are.
func callsIn(t *testing.T, line string) (calls int) {
	t.Helper()
	line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
	for _, match := range call.FindAllStringSubmatch(line, -1) {
		args, err := shellwords.Parse(match[2])
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		for _, root := range programs() {
			if root.Name() == match[1] {
				calls++
				if err := parses(root, args); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
		}
	}
	return calls
}

func parses(root *cobra.Command, args []string) error {
	command, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := command.ParseFlags(rest); err != nil {
		return err
	}
	return command.ValidateArgs(command.Flags().Args())
}

// TestExitCodesOfThePage holds the table of docs/operations.md to package exit.
func TestExitCodesOfThePage(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| (.+) \|$`).FindAllStringSubmatch(read(t, "docs/operations.md"), -1)
	if len(rows) < 10 {
		t.Fatalf("%d exit codes", len(rows))
	}
	for _, row := range rows {
		if code, err := strconv.Atoi(row[1]); err != nil || exit.Meaning(code) != row[2] {
			t.Errorf("%s is %q, and the page says %q", row[1], exit.Meaning(code), row[2])
		}
	}
}
