package project

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/config"
)

var withPlugin = flag.Bool("compose", false, "ask the compose plugin of the docker command as well")

// randomFiles is how many files are compared that compose does not refuse, with the
// plugin and without.
var randomFiles = map[bool]int{true: 10_000, false: 2_000}

// randomEnv returns a file as people write them, and as nobody should.
func randomEnv(random *rand.Rand) string {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	name := func() string { return pick("A", "B", "C_1", "HOME", "LONG_NAME", "a.b", "x-y", "É", "SHELL_ONLY") }
	part := func() string {
		return pick("x", "secret", " ", "  ", "\t", "#", " # c", "=", ":", "'", `"`, `\`, `\n`, `\"`, `\'`, `\\`, `\$`, `\0101`, `\a`, "$", "$$",
			"$"+name(), "${"+name()+"}", "${"+name()+":-d e}", "${"+name()+"-}", "${"+name()+":+set}", "${"+name()+":?no}", "${", "ü", "🦆", "\r", "\u00a0", "1", "/", "@")
	}
	value := func() string {
		var text strings.Builder
		for range random.IntN(5) {
			text.WriteString(part())
		}
		switch random.IntN(6) {
		case 0:
			return `"` + text.String() + `"`
		case 1:
			return "'" + strings.ReplaceAll(text.String(), "'", "") + "'"
		case 2:
			return `"` + strings.NewReplacer(`"`, "", `\`, "", "$", "").Replace(text.String()) + "\n second line\""
		default:
			return strings.Trim(text.String(), `"'`)
		}
	}
	var text strings.Builder
	if random.IntN(20) == 0 {
		text.WriteString("\ufeff")
	}
	for range random.IntN(8) {
		switch random.IntN(12) {
		case 0:
			text.WriteString(pick("# comment", "  # 'comment", "", " ", "\t"))
		case 1:
			text.WriteString(name())
		case 2:
			text.WriteString(pick("not a name", "A B=1", `"A"=1`, "=x", "export", "-----END KEY-----", "A'=1", "export A"))
		default:
			text.WriteString(pick("", "", "export ", " ", "export\t") + name() + pick("=", "=", "=", " = ", ": ", "= ") + value())
		}
		text.WriteString(pick("\n", "\n", "\n", "\r\n", " # end\n", "\n\n"))
	}
	return strings.TrimSuffix(text.String(), pick("", "", "\n"))
}

// shellOf is an environment that no file of randomEnv assigns to, so that who wins is
// no question.
var shellOf = config.Environ{"HOST_ONLY": "1", "SHELL_ONLY": "from the shell"}

func TestReadingIsThatOfCompose(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var refused []string
	accepted := map[string]string{}
	for i := 0; len(accepted) < randomFiles[*withPlugin]; i++ {
		text := randomEnv(random)
		if regexp.MustCompile(`SHELL_ONLY\s*[=:]`).MatchString(text) {
			continue // who wins is another test
		}
		got, parsed := parseEnv(text, shellOf)
		want, err := dotenv.ParseWithLookup(strings.NewReader(text), func(name string) (string, bool) {
			value, set := shellOf[name]
			return value, set
		})
		delete(want, "")
		zero := strings.Contains(strings.Join(values(want), ""), "\x00")
		if (err != nil || zero) != (len(parsed.problems) > 0) {
			t.Fatalf("file %d: compose says %v, we say %v\n%q", i, err, parsed.problems, text)
		}
		if err != nil || zero {
			refused = append(refused, text)
			checkProblems(t, text, parsed.problems)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("file %d: %s\n%q", i, diff, text)
		}
		checkStatements(t, text, parsed, want)
		accepted[fmt.Sprintf("%d.env", i)] = text
	}
	if len(refused) < 1000 {
		t.Errorf("only %d files refused: the generator has no use", len(refused))
	}
	if *withPlugin {
		comparePlugin(t, accepted)
		for _, text := range refused[:200] {
			if pluginReads(t, text) {
				t.Errorf("docker compose accepts %q", text)
			}
		}
	}
}

func values(m map[string]string) (list []string) {
	for _, value := range m {
		list = append(list, value)
	}
	return list
}

// checkStatements holds what was found in the text to what compose has read.
func checkStatements(t *testing.T, text string, parsed envText, want map[string]string) {
	t.Helper()
	names := map[string]string{}
	for _, s := range parsed.statements {
		if value, set := want[s.name]; set {
			names[s.name] = value
		} else if !s.inherited && s.name != "" {
			t.Fatalf("%s is found on line %d, and compose does not read it: %q", s.name, s.line, text)
		}
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatalf("found: %s\n%q", diff, text)
	}
}

func checkProblems(t *testing.T, text string, problems config.Problems) {
	t.Helper()
	said := problems.Error()
	if strings.Contains(said, "secret") || strings.Contains(said, "🦆") {
		t.Fatalf("a value is shown: %s\n%q", said, text)
	}
	for _, problem := range problems {
		var line int
		if _, err := fmt.Sscanf(problem.Variable, EnvName+", line %d,", &line); err != nil || line < 1 || line > 1+strings.Count(text, "\n") {
			t.Fatalf("no line: %s\n%q", problem, text)
		}
	}
}

func plugin(t *testing.T, dir string) *exec.Cmd {
	command := exec.CommandContext(t.Context(), "docker", "compose", "-p", "proj", "-f", "compose.yml", "config", "--format", "json")
	command.Dir = dir
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "COMPOSE_DISABLE_ENV_FILE=1"}, shellOf.List()...)
	return command
}

// pluginReads reports whether docker compose takes a file that no container could be
// started with if it had a zero byte.
func pluginReads(t *testing.T, text string) bool {
	dir := t.TempDir()
	_ = os.WriteFile(filepath.Join(dir, ".env.random"), []byte(text), 0o600)
	_ = os.WriteFile(filepath.Join(dir, "compose.yml"), []byte("services: {s: {image: x, env_file: [.env.random]}}"), 0o600)
	out, err := plugin(t, dir).Output()
	return err == nil && !strings.Contains(string(out), `\u0000`)
}

// comparePlugin has docker compose read all the files, 500 at once.
func comparePlugin(t *testing.T, files map[string]string) {
	dir := t.TempDir()
	var batch []string
	flush := func() {
		var document strings.Builder
		document.WriteString("services:\n")
		for i, name := range batch {
			fmt.Fprintf(&document, "  s%d: {image: x, env_file: [%s]}\n", i, name)
		}
		_ = os.WriteFile(filepath.Join(dir, "compose.yml"), []byte(document.String()), 0o600)
		out, err := plugin(t, dir).Output()
		if err != nil {
			var failed *exec.ExitError
			_ = errors.As(err, &failed)
			t.Fatalf("docker compose config: %v: %s", err, failed.Stderr)
		}
		var got struct {
			Services map[string]struct{ Environment map[string]string }
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		for i, name := range batch {
			want, _ := parseEnv(files[name], shellOf)
			have := map[string]string{}
			for name, value := range got.Services[fmt.Sprintf("s%d", i)].Environment {
				have[name] = strings.ReplaceAll(value, "$$", "$")
			}
			delete(have, "")
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("%s\n%q", diff, files[name])
			}
		}
		batch = nil
	}
	for name, text := range files {
		_ = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
		if batch = append(batch, name); len(batch) == 500 {
			flush()
		}
	}
	if len(batch) > 0 {
		flush()
	}
	t.Logf("docker compose has read %d files", len(files))
}

func TestProblemsOfTheFile(t *testing.T) {
	text := strings.Join([]string{
		"GOOD=1",
		"two words=1",
		"KEY=-----BEGIN",
		"hunter2+/abc",
		"BAD=${hunter2",
		"NEEDS=${MISSING:?hunter2}",
		`MULTI="one`,
		`two" hunter2=`,
		"OPEN='hunter2",
		"AFTER=${",
	}, "\n")
	_, parsed := parseEnv(text, nil)
	var got []string
	for _, problem := range parsed.problems {
		got = append(got, problem.String())
	}
	want := []string{
		".env, line 2, is not NAME=value: there is a blank in the name; a value of several lines must be in quotes",
		".env, line 4, is not NAME=value: before the = there is more than a name; a value of several lines must be in quotes",
		".env, line 9, has a quote that is not closed",
		".env, line 5, has a ${…} that is none: write $$ for a dollar sign, or put the value in single quotes",
		".env, line 6, refers to MISSING, which is not set",
		".env, line 10, has a ${…} that is none: write $$ for a dollar sign, or put the value in single quotes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, parsed = parseEnv("A=\"hunter\nB=\"2\"\nC=1\n", nil)
	if said := parsed.problems.Error(); !strings.Contains(said, "line 2, has text behind a closing quote, whose value began on line 1") || strings.Contains(said, "hunter") {
		t.Error(said)
	}
	_, parsed = parseEnv(`A="\0000"`, nil)
	if said := parsed.problems.Error(); !strings.Contains(said, "line 1, gives A a zero byte") {
		t.Error(said)
	}
}

func TestWarnings(t *testing.T) {
	_, parsed := parseEnv("A=1\nPASSWORD=pa$word\nB=\"x${word}\" # $c\nC='$word'\nD=$$word\nE=\"\\$word\"\nF=$A$SHELL\nG=${x:-}\nH=# $word\nI=1 # $word", config.Environ{"SHELL": "x"})
	if got := strings.Join(parsed.warnings, "\n"); strings.Contains(got, "$word") || len(parsed.warnings) != 3 ||
		!strings.HasPrefix(parsed.warnings[0], ".env, line 2: PASSWORD refers") || !strings.HasPrefix(parsed.warnings[1], ".env, line 3: B") {
		t.Error(got)
	}
}

// TestTwoValuesOfAName: the last counts, which is said, without the values.
func TestTwoValuesOfAName(t *testing.T) {
	for text, want := range map[string]string{
		"URL=one\nA=1\nURL=two":                ".env, line 1: URL has another value on line 3, which counts: leave one of them",
		"URL=one\nexport URL='two' # why":      ".env, line 1: URL has another value on line 2, which counts: leave one of them",
		"URL=one\nURL=two\nURL=three\nURL=one": ".env, line 2: URL has another value on line 4, which counts: leave one of them",
		"URL=one\nURL=two\nURL=one":            ".env, line 2: URL has another value on line 3, which counts: leave one of them",
		"URL=one\nURL=\nURL=one":               "",
		"URL=one\nURL='one'":                   "",
		"A=1\nB=2\nURL=$A\nURL=$B":             ".env, line 3: URL has another value on line 4, which counts: leave one of them",
		"URL=one\nURL=":                        ".env, line 1: URL has another value on line 2, which counts: leave one of them",
		"URL=one\nURL=two\nURL=three":          ".env, line 1: URL has another value on line 3, which counts: leave one of them",
		"URL=\nURL=one":                        "",
		"URL=one # old\nURL=one":               "",
		"URL=one\nURL":                         "",
		"URL":                                  "",
	} {
		_, parsed := parseEnv(text, config.Environ{"URL": "shell"})
		if got := strings.Join(parsed.warnings, "\n"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestTheFileWinsOverTheShell(t *testing.T) {
	shell := config.Environ{"A": "shell", "B": "shell", "C": "shell"}
	got, _ := parseEnv("B=$A\nA=file\nD=$A-$C\nC\nE=$C\nF=${B:-none}", shell)
	want := map[string]string{"A": "file", "B": "", "C": "shell", "D": "file-shell", "E": "shell", "F": "none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestValuesAreWrittenAsTheyAreRead(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	alphabet := []rune(`aZ09 ='"\$#{}:-` + "\n\t\rü🦆`&;|~!/@")
	for range 2_000 {
		text := make([]rune, random.IntN(12))
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		value := string(text)
		before := envText{text: "FIRST=1\nV=old # why\nLAST=$V"}
		written := before.with([]variable{{"V", value, ""}, {"W", value, "new"}})
		got, parsed := parseEnv(written, nil)
		if len(parsed.problems) > 0 || got["V"] != value || got["W"] != value || got["LAST"] != value || got["FIRST"] != "1" {
			t.Fatalf("%q is read as %q, %q, %q: %v", value, got["V"], got["W"], got["LAST"], parsed.problems)
		}
	}
}

func TestOnlyWhatIsMissingIsWritten(t *testing.T) {
	for _, tt := range []struct{ before, after string }{
		{"", "# new\nA=1\nB=2\n"},
		{"X=1", "X=1\n# new\nA=1\nB=2\n"},
		{"A=\nX=1\n", "A=1\nX=1\nB=2\n"},
		{"A=\r\nX=1\r\n", "A=1\r\nX=1\r\nB=2\n"},
		{"export A=''\n# end", "export A=1\n# end\nB=2\n"},
		{"A=0\nA=\n", "A=0\nA=1\nB=2\n"},
		{"A: \nB=\"\" # why\n", "A:1\nB=2 # why\n"},
		{"A\n", "A\n# new\nA=1\nB=2\n"},
	} {
		text := envText{text: tt.before}
		got := text.with([]variable{{"A", "1", "new"}, {"B", "2", ""}})
		if got != tt.after {
			t.Errorf("%q becomes %q, want %q", tt.before, got, tt.after)
		}
		if read, _ := parseEnv(got, nil); read["A"] != "1" || read["B"] != "2" {
			t.Errorf("%q is read as %v", got, maps.Clone(read))
		}
	}
}

// What is written at the end of a file changes nothing of the rest, whatever its last line
// is: compose leaves one out that has neither a = nor a line break.
func TestWhatIsAddedChangesNothingElse(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 20_000 {
		text := randomEnv(random)
		before, parsed := parseEnv(text, nil)
		if len(parsed.problems) > 0 {
			continue
		}
		written := parsed.with([]variable{{"ADDED", "1", "new"}})
		after, again := parseEnv(written, nil)
		before["ADDED"] = "1"
		if len(again.problems) > 0 || !maps.Equal(before, after) {
			t.Fatalf("%q becomes %q, which is read as %q: %v", text, written, after, again.problems)
		}
	}
}

func FuzzEnv(f *testing.F) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		f.Add(randomEnv(random))
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, parsed := parseEnv(text, nil)
		want, err := dotenv.ParseWithLookup(strings.NewReader(text), nil)
		delete(want, "")
		if err == nil && len(parsed.problems) == 0 {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
			checkStatements(t, text, parsed, want)
		}
		if err != nil && len(parsed.problems) == 0 {
			t.Fatalf("compose refuses it: %v", err)
		}
	})
}
