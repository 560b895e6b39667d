package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

type Embedded struct {
	Level string `env:"LEVEL" envDefault:"info" doc:"Log level."`
}

type settings struct {
	Embedded
	Shared  other
	Port    int            `env:"PORT" envDefault:"3000" accept:"a port from 1 to 65535"`
	Wait    time.Duration  `env:"WAIT" envDefault:"120"`
	Web     config.Command `env:"WEB" envDefault:"bun server.ts" empty:"keep"`
	Flag    bool           `env:"FLAG"`
	Token   config.Secret  `env:"TOKEN" secret:"true" accept:"any text"`
	Age     config.Secret  `env:"AGE" secret:"true" file:"false"`
	AgeFile string         `env:"AGE_FILE"`
	Addr    string         `env:"ADDR" envDefault:":9180" empty:"keep"`
	Count   config.Secret  `env:"COUNT" secret:"true"`
}

type other struct {
	// The same field name as in the outer struct: a problem must name the right one.
	Wait time.Duration `env:"OTHER_WAIT"`
	Name string        `env:"NAME" envDefault:"tale"`
}

// Validate belongs to a group: only Load calls it.
func (o other) Validate() config.Problems { return config.CheckOneOf("NAME", o.Name, "tale", "x") }

func (s *settings) Validate() config.Problems {
	problems := config.CheckPort("PORT", s.Port)
	if s.Token.Reveal() == "odd" {
		problems = append(problems, config.Problem{Variable: "TOKEN", Wrong: "is odd"})
	}
	return problems
}

func load(t *testing.T, environ config.Environ) (settings, config.Problems) {
	t.Helper()
	var s settings
	var problems config.Problems
	if err := config.Load(&s, environ); err != nil && !errors.As(err, &problems) {
		t.Fatalf("Load returned %T, want config.Problems", err)
	}
	return s, problems
}

func TestLoadDefaults(t *testing.T) {
	s, problems := load(t, config.Environ{"PORT": "", "LEVEL": "debug"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := settings{Embedded: Embedded{Level: "debug"}, Shared: other{Name: "tale"}, Port: 3000, Wait: 2 * time.Minute, Web: config.Command{"bun", "server.ts"}, Addr: ":9180"}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

func TestLoadKeepsEmptyWhereItIsAValue(t *testing.T) {
	if s, _ := load(t, config.Environ{"ADDR": "", "WEB": ""}); s.Addr != "" || len(s.Web) > 0 {
		t.Errorf("ADDR = %q, want empty", s.Addr)
	}
}

func TestLoadDurations(t *testing.T) {
	for value, want := range map[string]time.Duration{"300": 5 * time.Minute, "5m": 5 * time.Minute, "0": 0, "1.5s": 1500 * time.Millisecond} {
		if s, problems := load(t, config.Environ{"WAIT": value}); s.Wait != want || len(problems) > 0 {
			t.Errorf("WAIT=%s: got %v, %v", value, s.Wait, problems)
		}
	}
	for _, value := range []string{"-1", "5 m", "abc", "-3s", "1e3"} {
		if _, problems := load(t, config.Environ{"WAIT": value}); len(problems) != 1 {
			t.Errorf("WAIT=%s: got problems %v, want one", value, problems)
		}
	}
}

func TestLoadReportsAllProblemsAtOnce(t *testing.T) {
	_, problems := load(t, config.Environ{"PORT": "x", "OTHER_WAIT": "soon", "FLAG": "maybe", "WEB": "a; b"})
	var names []string
	for _, p := range problems {
		names = append(names, p.Variable)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"FLAG", "OTHER_WAIT", "PORT", "WEB"}) {
		t.Fatalf("problems of %v", names)
	}
	text := problems.Error()
	for _, want := range []string{`PORT "x" is not a whole number; accepted: a port from 1 to 65535`, `OTHER_WAIT "soon" is not a duration`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q not in %s", want, text)
		}
	}
	if exit.Code(problems) != exit.Config {
		t.Errorf("exit code %d", exit.Code(problems))
	}
}

func TestLoadRunsValidate(t *testing.T) {
	if _, problems := load(t, config.Environ{"PORT": "70000", "NAME": "y"}); len(problems) != 2 {
		t.Errorf("got %v", problems)
	}
}

// What a value should be stands in the tag, once.
func TestAProblemSaysWhatTheTagAccepts(t *testing.T) {
	if _, problems := load(t, config.Environ{"TOKEN": "odd"}); problems.Error() != "cannot use the configuration: TOKEN is odd; accepted: any text" {
		t.Error(problems)
	}
}

func TestLoadSecretFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(" a=b \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, problems := load(t, config.Environ{"TOKEN_FILE": file})
	if s.Token.Reveal() != " a=b " || len(problems) > 0 {
		t.Errorf("got %q, %v", s.Token.Reveal(), problems)
	}
	_, problems = load(t, config.Environ{"TOKEN_FILE": file, "TOKEN": "canary"})
	if len(problems) != 1 || strings.Contains(problems.Error(), "canary") {
		t.Errorf("both set: %v", problems)
	}
	if _, problems = load(t, config.Environ{"TOKEN_FILE": file + ".missing"}); len(problems) != 1 {
		t.Errorf("missing file: %v", problems)
	}
}

func TestLoadLeavesFileVariableThatMeansSomethingElse(t *testing.T) {
	s, problems := load(t, config.Environ{"AGE": "x", "AGE_FILE": "/nowhere"})
	if len(problems) > 0 || s.AgeFile != "/nowhere" {
		t.Errorf("got %+v, %v", s, problems)
	}
}

// TestACommandThatIsRefusedIsNotShown: what stands before the program may be a key.
func TestACommandThatIsRefusedIsNotShown(t *testing.T) {
	for line, want := range map[string]string{
		"API_KEY=canary node x":     "WEB is not a command: it begins with an assignment to API_KEY,",
		`"API_KEY=canary" node x`:   "WEB is not a command: it begins with an assignment to API_KEY,",
		"API_KEY=canary node x | y": "WEB is not a command; quote what holds blanks",
	} {
		_, problems := load(t, config.Environ{"TOKEN": "t", "WEB": line})
		if said := problems.Error(); !strings.Contains(said, want) || strings.Contains(said, "canary") {
			t.Errorf("%s: %s", line, said)
		}
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	s, _ := load(t, config.Environ{"TOKEN": "canary"})
	for _, text := range []string{s.Token.String(), s.Token.GoString(), s.Token.LogValue().String()} {
		if strings.Contains(text, "canary") {
			t.Errorf("shown: %s", text)
		}
	}
}

func TestEnvironWithFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte("A=file\nA=again\nB=\"two words\"\nC=\nC=1\nC=1\nD=1\nD=2\nD=3\nE=1\nE=2\nE=1\nF=1\nF=\nF='1'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ, repeated, err := config.Environ{"A": "process"}.WithFile(file)
	if strings.Join(repeated, " ") != "D E" || environ["D"] != "3" {
		t.Errorf("repeated %q, D is %s", repeated, environ["D"])
	}
	if err != nil || environ["A"] != "process" || environ["B"] != "two words" {
		t.Errorf("got %v, %v", environ, err)
	}
	if _, _, err := (config.Environ{}).WithFile(file + ".missing"); exit.Code(err) != exit.Config {
		t.Errorf("missing file: %v", err)
	}
}
