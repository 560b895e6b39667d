package supervise_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestRunReportsHowACommandEnded(t *testing.T) {
	tests := map[string]struct {
		script string
		code   int
		text   string
	}{
		"success":       {"exit 0", 0, "exit code 0"},
		"own code":      {"exit 3", 3, "exit code 3"},
		"highest code":  {"exit 255", 255, "exit code 255"},
		"terminated":    {"kill -TERM $$", 143, "killed by SIGTERM"},
		"killed":        {"kill -KILL $$", 137, "killed by SIGKILL (something outside killed it, not the kernel for want of memory)"},
		"hung up":       {"kill -HUP $$", 129, "killed by SIGHUP"},
		"last realtime": {"kill -64 $$", 192, "killed by signal 64"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, err := supervise.Run(timeout(t), logging.Discard(), shell(tt.script))
			if err != nil || status.ExitCode() != tt.code || status.String() != tt.text || status.Success() != (tt.code == 0) {
				t.Errorf("got %d %q success=%v, %v", status.ExitCode(), status, status.Success(), err)
			}
		})
	}
}

func TestStartErrorsSayWhyAndCarryTheCode(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "data", 0o644)
	garbage := write("garbage", "\x01\x02\x03\x04", 0o755)
	script := write("script", "#!/no/such/interpreter\n", 0o755)
	tests := map[string]struct {
		argv []string
		dir  string
		code int
		text string
	}{
		"not in PATH":            {[]string{"no-such-program"}, "", exit.NotFound, "not found in PATH (" + dir},
		"no such file":           {[]string{"/no/such/file"}, "", exit.NotFound, "/no/such/file: no such file"},
		"file as folder":         {[]string{plain + "/x"}, "", exit.NotFound, "no such file"},
		"not executable":         {[]string{plain}, "", exit.NotExecutable, "permission denied (mode 0644)"},
		"not executable in PATH": {[]string{"plain"}, "", exit.NotExecutable, "found in PATH, but not executable"},
		"folder":                 {[]string{dir}, "", exit.NotExecutable, "is a folder"},
		"not a program":          {[]string{garbage}, "", exit.NotExecutable, "exec format error"},
		"no interpreter":         {[]string{script}, "", exit.NotFound, "its interpreter or loader"},
		"no working directory":   {[]string{"/bin/sh"}, "/no/such/dir", exit.NotFound, "the working directory"},
		"empty":                  {nil, "", exit.Failure, "the command is empty"},
		"NUL":                    {[]string{"sh", "a\x00b"}, "", exit.Failure, "NUL byte"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := supervise.Start(logging.Discard(), supervise.Process{Name: "x", Argv: tt.argv, Dir: tt.dir, Env: []string{"PATH=" + dir}})
			if err == nil || exit.Code(err) != tt.code || !strings.Contains(err.Error(), tt.text) || !strings.HasPrefix(err.Error(), "cannot start x: ") {
				t.Errorf("got code %d, %v", exit.Code(err), err)
			}
		})
	}
}

func TestCommandIsFoundInThePathOfTheChild(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "tool"), []byte("#!/bin/sh\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "bin"), "bin", "/nonexistent:bin"} {
		status, err := supervise.Run(timeout(t), logging.Discard(), supervise.Process{Name: "tool", Argv: []string{"tool"}, Dir: dir, Env: []string{"PATH=" + path}})
		if err != nil || status.ExitCode() != 7 {
			t.Errorf("PATH=%s: %v, %v", path, status, err)
		}
	}
}

func TestEnvironmentIsTheGivenOne(t *testing.T) {
	t.Setenv("INHERITED", "must not be")
	out := lines(t, supervise.Process{Name: "env", Argv: []string{"/usr/bin/env"}, Env: []string{"A=1", "B=two words"}})
	out = slices.DeleteFunc(out, func(line string) bool { return strings.HasPrefix(line, "TALE_SUPERVISED_BY=") })
	if want := []string{"A=1", "B=two words"}; !slices.Equal(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
}

// lines runs a process and returns its lines of standard output.
func lines(t *testing.T, p supervise.Process) []string {
	t.Helper()
	var got []string
	p.Line = func(_ supervise.Stream, line []byte) { got = append(got, string(line)) }
	if _, err := supervise.Run(timeout(t), logging.Discard(), p); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestOutputIsPassedOnUnchanged(t *testing.T) {
	long := strings.Repeat("0123456789", supervise.MaxLine/4)
	tests := map[string]struct {
		script string
		want   string // the lines, joined
		pieces int
	}{
		"lines":          {`printf 'a\nb\n\nc\n'`, "a|b||c", 4},
		"no end":         {`printf 'a\nb'`, "a|b", 2},
		"windows":        {`printf 'a\r\nb\r\n'`, "a|b", 2},
		"binary":         {`printf 'a\377\000\033b\n'`, "a\xff\x00\x1bb", 1},
		"long":           {"echo " + long, long, 3},
		"long, no end":   {"printf %s " + long, long, 3},
		"in two streams": {"echo a; sleep 0.05; echo b >&2", "a|b", 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := lines(t, shell(tt.script))
			separator := "|"
			if strings.HasPrefix(name, "long") {
				separator = ""
			}
			if strings.Join(got, separator) != tt.want || len(got) != tt.pieces {
				t.Errorf("got %d lines %.200q", len(got), got)
			}
		})
	}
}

func TestLongLineIsNotCutInsideACharacter(t *testing.T) {
	text := "x" + strings.Repeat("漢", supervise.MaxLine)
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got := lines(t, shell("cat "+file))
	for _, piece := range got {
		if len(piece) > supervise.MaxLine || strings.ToValidUTF8(piece, "?") != piece {
			t.Errorf("a piece of %d bytes is not whole text", len(piece))
		}
	}
	if strings.Join(got, "") != text {
		t.Error("the text was changed")
	}
}

func TestLinesWithoutAReceiverAreLoggedUnderTheName(t *testing.T) {
	log, out := logTo(t)
	if _, err := supervise.Run(timeout(t), log, shell("echo to stdout; echo to stderr >&2")); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "INFO  shell | to stdout\n") || !strings.Contains(got, "INFO  shell | to stderr\n") {
		t.Errorf("got %q", got)
	}
}

func TestWhatADeadLeaderLeavesBehindIsKilled(t *testing.T) {
	var pid int
	p := shell(`(trap '' TERM; sleep 1000) & echo $!; sleep 0.1; exit 5`)
	p.Line = func(_ supervise.Stream, line []byte) { pid, _ = strconv.Atoi(string(line)) }
	status, err := supervise.Run(timeout(t), logging.Discard(), p)
	if err != nil || status.ExitCode() != 5 || pid == 0 {
		t.Fatalf("got %v, %v, pid %d", status, err, pid)
	}
	if testkit.Alive(pid) {
		t.Error("a process of the group is still there")
	}
}

func TestProcessOutsideTheGroupThatHoldsTheOutputDoesNotBlock(t *testing.T) {
	var pid int
	p := shell(`setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.2; exit 4`)
	p.Line = func(_ supervise.Stream, line []byte) { pid, _ = strconv.Atoi(string(line)) }
	began := time.Now()
	status, err := supervise.Run(timeout(t), logging.Discard(), p)
	if took := time.Since(began); err != nil || status.ExitCode() != 4 || took > 3*time.Second {
		t.Errorf("got %v, %v after %v", status, err, took)
	}
	if pid == 0 || !testkit.Alive(pid) {
		t.Fatalf("the daemon %d is not there: the test shows nothing", pid)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func TestEndedContextStopsTheCommand(t *testing.T) {
	ctx, cancel := context.WithCancelCause(timeout(t))
	requested := errors.New("enough")
	p := helper(t, "signals", "15")
	p.Stop = []supervise.StopStep{{Signal: syscall.SIGTERM, Wait: 10 * time.Second}}
	p.Line = func(_ supervise.Stream, line []byte) {
		if bytes.HasPrefix(line, []byte("ready")) {
			cancel(requested)
		}
	}
	status, err := supervise.Run(ctx, logging.Discard(), p)
	if err != requested || status.ExitCode() != 42 {
		t.Errorf("got %v, %v", status, err)
	}
	if _, err := supervise.Run(ctx, logging.Discard(), shell("exit 0")); err != requested {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestRunAsAnotherUser(t *testing.T) {
	uid, gid := 1001, 1002
	if os.Geteuid() != 0 {
		uid, gid = os.Getuid(), os.Getgid() // all that is allowed
	}
	p := shell("id -u; id -g; id -G")
	p.Credential = &supervise.Credential{UID: uint32(uid), GID: uint32(gid)}
	if os.Geteuid() != 0 {
		p.Credential = nil
	}
	want := []string{strconv.Itoa(uid), strconv.Itoa(gid)}
	if got := lines(t, p); len(got) != 3 || !slices.Equal(got[:2], want) || (os.Geteuid() == 0 && got[2] != want[1]) {
		t.Errorf("got %q", got)
	}
}

func TestChildDiesWithItsSupervisor(t *testing.T) {
	p := startProgram(t, "parent")
	pid, err := strconv.Atoi(strings.TrimSpace(p.Expect("child ")))
	if err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGKILL)
	p.Wait()
	testkit.Eventually(t, "the child is gone", func() bool { return !testkit.Alive(pid) })
}

// The parent-death signal comes when the forking thread ends, not when the
// process does. Several threads, because one may be the first, which never ends.
func TestChildOutlivesTheThreadThatAskedForIt(t *testing.T) {
	started := make(chan *supervise.Child)
	for range 4 {
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			c, err := supervise.Start(logging.Discard(), shell("sleep 0.3; exit 6"))
			if err != nil {
				t.Error(err)
			}
			started <- c
		}()
	}
	var children []*supervise.Child
	for range 4 {
		children = append(children, <-started)
	}
	for _, c := range children {
		<-c.Done()
		if c.Status().ExitCode() != 6 {
			t.Errorf("got %v", c.Status())
		}
	}
}
