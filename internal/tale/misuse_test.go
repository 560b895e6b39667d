package tale_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// leaves returns the commands that do something, with their paths below tale.
func leaves() map[string]*cobra.Command {
	found := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(command *cobra.Command) {
		if path := strings.TrimPrefix(command.CommandPath(), "tale"); path != "" && (!command.HasSubCommands() || command.Name() == "files") {
			found[strings.TrimSpace(path)] = command
		}
		for _, sub := range command.Commands() {
			if !sub.Hidden && sub.Name() != "help" {
				walk(sub)
			}
		}
	}
	walk(tale.Command(nil))
	return found
}

// placeholder returns what stands for the value of a flag in the help.
func placeholder(flag *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(flag)
	return name
}

// nobody is a user without rights.
const nobody = 65534

// stage is a project and paths of every kind that a command may be given in vain.
type stage struct {
	*testing.T
	dir, project string
	environ      config.Environ
	file, folder string // that are there
	missing      string
	beneath      string // a file
	closed       string // to nobody: a file
	closedFolder string
	unwritable   string // by nobody: a folder
	before       map[string]string
	checked      int
}

func newStage(t *testing.T) *stage {
	dir := testkit.PublicDir(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	s := &stage{
		T: t, dir: dir, project: in("shop"), file: in("file"), folder: in("folder"), missing: in("missing"), beneath: in("file/x"),
		closed: in("closed"), closedFolder: in("closed-folder"), unwritable: in("folder"),
		environ: config.Environ{"DOCKER_HOST": "unix://" + in("no.sock"), "HOME": dir},
	}
	line.Run(nil, "", "init", s.project).Expect(t, 0, "", "")
	testkit.WriteTree(t, dir, map[string]string{"file": "text\n", "closed": "text\n", "folder/x": "", "closed-folder/x": ""})
	for path, mode := range map[string]fs.FileMode{s.closed: 0, s.closedFolder: 0, s.unwritable: 0o555} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(s.closedFolder, 0o700) })
	s.before = tree(t, dir)
	return s
}

// tree returns what is below a folder.
func tree(t *testing.T, dir string) map[string]string {
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // closed folders
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		found[path] = fmt.Sprint(info.Mode(), info.ModTime())
		if text, err := os.ReadFile(path); err == nil {
			found[path] += string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// asNobody runs a command line as a user without rights, or as this one, if it has none.
func (s *stage) asNobody(args ...string) line.Result {
	s.Helper()
	command := exec.CommandContext(s.Context(), "/proc/self/exe", args...)
	var out, err bytes.Buffer
	command.Dir, command.Stdout, command.Stderr = "/", &out, &err
	command.Env = append(s.environ.List(), testkit.RoleVariable+"=tale")
	if os.Geteuid() == 0 {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	_ = command.Run() // the code says it
	return line.Result{Code: command.ProcessState.ExitCode(), Out: out.String(), Err: err.String()}
}

// libraries are words of Go and of what we use, which tell an operator nothing.
var libraries = regexp.MustCompile(`strconv|goroutine|panic|%!|<nil>|invalid argument|arg\(s\)|flag needs|unmarshal|(?:^|[^.])(?:json|yaml): |pflag|cobra|: (open|stat|lstat|mkdir|read|openat|rename|link) /|0x[0-9a-f]{5}`)

// refuses checks that a command line ended with one of some codes, one message in our words
// and no change.
func (s *stage) refuses(r line.Result, words string, codes []int, args []string) {
	s.Helper()
	s.checked++
	lines := strings.Split(strings.TrimSuffix(r.Err, "\n"), "\n")
	switch {
	case !slices.Contains(codes, r.Code):
		s.Errorf("%q: exit %d, not %v: %s", args, r.Code, codes, r.Err)
	case r.Out != "":
		s.Errorf("%q: stdout %q", args, r.Out)
	case !strings.HasPrefix(lines[0], "tale: ") || len(lines) > 1 && !strings.HasPrefix(lines[1], "  - "):
		s.Errorf("%q: not one message: %s", args, r.Err)
	case libraries.MatchString(r.Err):
		s.Errorf("%q: words of a library, %q: %s", args, libraries.FindString(r.Err), r.Err)
	case !strings.Contains(r.Err, words):
		s.Errorf("%q: no %q in: %s", args, words, r.Err)
	}
	if after := tree(s.T, s.dir); !maps.Equal(s.before, after) {
		s.Errorf("%q has changed the folder", args)
		s.before = after
	}
}

// TestMisuseOfEveryCommand calls every command in every way in which a command line can be
// wrong: each ends with a code that says so, before anything else is looked at.
func TestMisuseOfEveryCommand(t *testing.T) {
	s := newStage(t)
	usage, refused := []int{exit.Usage}, []int{exit.NoPermission}
	for path, command := range leaves() {
		base := append(strings.Fields(path), "--project", s.project)
		wrong := func(words string, codes []int, more ...string) {
			args := append(slices.Clone(base), more...)
			s.refuses(line.Run(s.environ, "", args...), words, codes, args)
		}
		asNobody := func(more ...string) {
			args := append(slices.Clone(base), more...)
			s.refuses(s.asNobody(args...), "this user may not", refused, args)
		}
		wrong("--nope", usage, "--nope")
		wrong("--nope", usage, "--nope=x")
		wrong("-Z", usage, "-Z")
		if !strings.Contains(command.Use, "…") {
			wrong("--help", usage, s.file, s.file, s.file)
		}
		if !strings.Contains(command.Use, "[") && strings.Contains(command.Use, " ") {
			wrong("", usage)
		}
		command.Flags().VisitAll(func(flag *pflag.Flag) {
			name := "--" + flag.Name
			if flag.NoOptDefVal == "" {
				wrong(name, usage, name)
			}
			wrong(name+" is empty", usage, name+"=")
			switch kind := flag.Value.Type(); {
			case kind == "bool", kind == "duration", kind == "int", kind == "uint":
				for _, value := range []string{"x", "5x", "-", "1e99", "99999999999999999999999", "-1", "-1s", "-1ns", "4294967296", "18446744073709551615"} {
					wrong(name+" is ", usage, name+"="+value)
				}
			case placeholder(flag) == "FILE":
				wrong("there is no file "+s.missing, usage, name, s.missing)
				wrong("there is no file "+s.beneath, usage, name, s.beneath)
				wrong(s.folder+" is a folder", usage, name, s.folder)
				asNobody(name, s.closed)
				asNobody(name, filepath.Join(s.closedFolder, "x"))
			case placeholder(flag) == "DIR":
				wrong("there is no folder "+s.missing, usage, name, s.missing)
				wrong(s.file+" is a file", usage, name, s.file)
				asNobody(name, s.closedFolder)
			}
		})
	}
	t.Logf("%d command lines", s.checked)
	if s.checked < 500 {
		t.Errorf("only %d command lines", s.checked)
	}
}

// TestPathsThatCannotBe names files and folders as arguments that are not there, of another
// kind, or of another user.
func TestPathsThatCannotBe(t *testing.T) {
	s := newStage(t)
	for _, tt := range []struct {
		command, path, words string
		code                 int
		nobody               bool
	}{
		{"restore", s.missing, "there is no file " + s.missing, exit.Usage, false},
		{"restore", s.beneath, "there is no file " + s.beneath, exit.Usage, false},
		{"restore", s.folder, s.folder + " is a folder", exit.Usage, false},
		{"restore", s.closed, "may not read the file " + s.closed, exit.NoPermission, true},
		{"backup", s.missing + "/x.tar", "there is no folder " + s.missing, exit.Usage, false},
		{"backup", s.beneath, s.file + " is a file", exit.Usage, false},
		{"backup", s.unwritable, "may not write into the folder " + s.unwritable, exit.NoPermission, true},
		{"backup", s.unwritable + "/x.tar", "may not write into the folder " + s.unwritable, exit.NoPermission, true},
		{"backup", s.closedFolder + "/x.tar", "may not read the folder " + s.closedFolder, exit.NoPermission, true},
		{"init", s.file, s.file + " is a file", exit.Usage, false},
		{"init", s.beneath, s.file + " is a file", exit.Usage, false},
		{"init", s.unwritable, "may not write into the folder " + s.unwritable, exit.NoPermission, true},
		{"init", s.unwritable + "/a/b", "may not write into the folder " + s.unwritable, exit.NoPermission, true},
		{"init", s.closedFolder + "/a", "may not", exit.NoPermission, true},
	} {
		args := []string{tt.command, tt.path}
		if tt.command != "init" {
			args = append(args, "--project", s.project)
		}
		call := func(args ...string) line.Result { return line.Run(s.environ, "", args...) }
		if tt.nobody {
			call = s.asNobody
		}
		s.refuses(call(args...), tt.words, []int{tt.code}, args)
	}
}

// TestProjectFilesThatCannotBeRead has each command meet each file of a project that is a
// folder, or another user's.
func TestProjectFilesThatCannotBeRead(t *testing.T) {
	server := enginetest.New(t)
	for path := strings.TrimPrefix(server.Host(), "unix://"); path != filepath.Clean(os.TempDir()); path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"tale.json", ".env", "compose.override.yml", ".tale/history.jsonl", ".tale/migrations.json"} {
		for state, code := range map[string]int{"a folder": exit.Config, "closed": exit.NoPermission} {
			s := newStage(t)
			s.environ["DOCKER_HOST"] = server.Host()
			path := filepath.Join(s.project, file)
			for name := range tree(t, s.project) {
				if err := os.Chown(name, nobody, nobody); err != nil && os.Geteuid() == 0 {
					t.Fatal(err)
				}
			}
			_ = os.Remove(path)
			if state == "closed" {
				testkit.WriteTree(t, s.project, map[string]string{file: "{}"})
				if err := errors.Join(os.Chmod(path, 0), os.Chown(path, 0, 0)); err != nil && os.Geteuid() == 0 {
					t.Fatal(err)
				}
			} else if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			for name, command := range leaves() {
				args := append(strings.Fields(name), map[string][]string{"backup": {s.project}, "restore": {s.file}}[name]...)
				args = append(args, "--project", s.project)
				if command.Flags().Lookup("dry-run") != nil {
					args = append(args, "--dry-run")
				}
				r := s.asNobody(args...)
				met := strings.Contains(r.Err, path)
				if met {
					s.checked++
				}
				if met && r.Code != code || libraries.MatchString(r.Err) {
					t.Errorf("%s is %s: %q: exit %d: %s", file, state, args, r.Code, r.Err)
				}
			}
			if s.checked == 0 {
				t.Errorf("no command has met %s that is %s", file, state)
			}
			t.Logf("%s that is %s was met by %d commands", file, state, s.checked)
		}
	}
}

// TestHelpListsWhatIsRead gives each command settings that are wrong: those that its help
// lists it complains of, and no others.
func TestHelpListsWhatIsRead(t *testing.T) {
	s := newStage(t)
	env := filepath.Join(s.project, ".env")
	text := regexp.MustCompile(`(?m)^TLS_MODE=.*\n`).ReplaceAllString(testkit.ReadFile(t, env), "")
	if err := os.WriteFile(env, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	engine := enginetest.New(t).Host()
	for _, tt := range []struct{ variable, value, sign string }{
		{"TLS_MODE", "nope", "TLS_MODE"}, {"POSTGRES_URL", "nope", "POSTGRES_URL"}, {"DOCKER_HOST", s.environ["DOCKER_HOST"], "no.sock"},
	} {
		read := 0
		for name := range leaves() {
			path := strings.Fields(name)
			environ := config.Environ{"HOME": s.dir, "DOCKER_HOST": engine, tt.variable: tt.value}
			given := map[string][]string{"backup": {s.project}, "restore": {s.file}, "db migrate": {"--dir", s.folder}, "auth reset-owner": {"--password-stdin"}, "init": {"--no-env"}}[name]
			r := line.Run(environ, "secret\n", slices.Concat(path, given, []string{"--project", s.project})...)
			_, help, _ := strings.Cut(line.Run(nil, "", append(path, "--help")...).Out, "\nSettings: ")
			listed := regexp.MustCompile(`\b` + tt.variable + `\b`).MatchString(help)
			if named := strings.Contains(r.Out+r.Err, tt.sign); named != listed {
				t.Errorf("tale %s: %s is listed: %v, and complained of: %v: exit %d: %s", name, tt.variable, listed, named, r.Code, r.Err)
			}
			if listed {
				read++
			}
		}
		if read < 5 {
			t.Errorf("%s is read by %d commands", tt.variable, read)
		}
	}
}
