package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{"stubborn": stubborn, "told": told}))
}

// stubborn returns never: it is a command that does not end by itself, and its arguments say what
// it does besides.
func stubborn() int {
	p := console.NewProgress(console.Options{Data: os.Stdout, Talk: os.Stderr, JSON: has("json"), Quiet: has("quiet")})
	if !has("idle") {
		p.Begin()
	}
	ctx, _ := console.Interruptible(context.Background(), func() { p.Interrupted("first") }, p.AtOnce("as it is"))
	marks := os.Stdout
	if has("json") {
		marks = os.Stderr
	}
	_, _ = fmt.Fprintln(marks, "up")
	if has("flood") {
		go func() {
			for { // until a line that nobody takes
				p.Say(strings.Repeat("x", 1<<10))
			}
		}()
	}
	<-ctx.Done()
	_, _ = fmt.Fprintln(marks, context.Cause(ctx))
	_, _ = fmt.Fprintln(marks, "stopping")
	select {}
}

// told returns 0: it is a command whose result has been told.
func told() int {
	p := console.NewProgress(console.Options{Data: os.Stdout, Talk: os.Stderr, JSON: true})
	p.Begin()
	_ = p.Result("done", nil)
	p.AtOnce("as it is")(130)
	return 0
}

func has(word string) bool { return strings.Contains(strings.Join(os.Args[1:], " "), word) }

func program(t *testing.T, role string, args ...string) *exec.Cmd {
	command := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	command.Env = append(os.Environ(), testkit.RoleVariable+"="+role)
	return command
}

// TestTheSecondSignalSaysWhatStays, and the process ends by that signal.
func TestTheSecondSignalSaysWhatStays(t *testing.T) {
	const line = "tale: ended at once: as it is\n"
	for name, tt := range map[string]struct {
		args          []string
		first, second syscall.Signal
		by, says      string // the first is the cause
	}{
		"Ctrl-C twice":           {nil, syscall.SIGINT, syscall.SIGINT, "Ctrl-C (SIGINT)", line},
		"kill twice":             {nil, syscall.SIGTERM, syscall.SIGTERM, "kill (SIGTERM)", line},
		"closed, then killed":    {nil, syscall.SIGHUP, syscall.SIGTERM, "the end of its terminal (SIGHUP)", line},
		"quiet":                  {[]string{"quiet"}, syscall.SIGINT, syscall.SIGINT, "Ctrl-C (SIGINT)", line},
		"nothing has begun":      {[]string{"idle"}, syscall.SIGINT, syscall.SIGINT, "Ctrl-C (SIGINT)", "tale: ended at once, before anything was changed\n"},
		"for a reader of events": {[]string{"json"}, syscall.SIGINT, syscall.SIGTERM, "Ctrl-C (SIGINT)", line},
	} {
		t.Run(name, func(t *testing.T) {
			p := testkit.Start(t, program(t, "stubborn", tt.args...))
			p.Until("it runs", func() bool { return p.Says("up\n") })
			p.Signal(tt.first)
			p.Until("the first is heeded", func() bool { return p.Says("stopping\n") })
			if by := "\ninterrupted by " + tt.by + "\n"; !p.Says(by) {
				t.Errorf("not %q in %q", by, p.Output.String())
			}
			p.Signal(tt.second)
			code := p.Wait()
			if by := p.Cmd.ProcessState.Sys().(syscall.WaitStatus); !by.Signaled() || code != 128+int(tt.second) || strings.Count(p.Output.String(), tt.says) != 1 {
				t.Errorf("exit %d: %q", code, p.Output.String())
			}
			var result struct {
				Kind, Text string
				OK         bool
				ExitCode   int
			}
			if !strings.HasPrefix(name, "for a reader") {
				return
			}
			lines := strings.Split(strings.TrimSpace(p.Output.String()), "\n")
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil || result.Kind != "result" || result.OK || result.ExitCode != code || result.Text != "ended at once: as it is" {
				t.Errorf("%v, %+v", err, result)
			}
		})
	}
}

// TestAClosedTerminalIsOneSignal: the shell that ends with it sends another one.
func TestAClosedTerminalIsOneSignal(t *testing.T) {
	for _, first := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		p := testkit.Start(t, program(t, "stubborn"))
		p.Until("it runs", func() bool { return p.Says("up\n") })
		p.Signal(first)
		p.Until("the first is heeded", func() bool { return p.Says("stopping\n") })
		for range 3 {
			p.Signal(syscall.SIGHUP)
		}
		select {
		case <-p.Ended():
			t.Errorf("after %s it ended with %d", first, p.Wait())
		case <-time.After(100 * time.Millisecond):
		}
		p.Signal(syscall.SIGTERM)
		if code := p.Wait(); code != 143 {
			t.Errorf("exit %d", code)
		}
	}
}

// TestTheSecondSignalWaitsForNobody: a line that nobody takes is being told as both come.
func TestTheSecondSignalWaitsForNobody(t *testing.T) {
	for _, arg := range []string{"flood", "flood json"} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		command := program(t, "stubborn", arg)
		if arg == "flood" {
			command.Stderr = writer
		} else {
			command.Stdout = writer
		}
		p := testkit.Start(t, command)
		_ = writer.Close()
		testkit.Eventually(t, "the pipe is full", func() bool {
			waiting, err := unix.IoctlGetInt(int(reader.Fd()), unix.TIOCINQ)
			return err == nil && waiting > 40<<10
		})
		p.Signal(syscall.SIGINT)
		p.Until("the first is heeded", func() bool { return p.Says("stopping\n") })
		p.Signal(syscall.SIGTERM)
		if code := p.Wait(); code != 143 {
			t.Errorf("exit %d", code)
		}
		if arg == "flood json" && !p.Says("tale: ended at once: as it is\n") {
			t.Errorf("%s said %q", arg, p.Output.String())
		}
	}
}

// TestOneResultIsEnough for a reader of events.
func TestOneResultIsEnough(t *testing.T) {
	p := testkit.Start(t, program(t, "told"))
	if code := p.Wait(); code != 0 || strings.Count(p.Output.String(), `"kind":"result"`) != 1 || !p.Says("tale: ended at once: as it is") {
		t.Errorf("exit %d: %s", code, p.Output.String())
	}
}

// TestTwoSignalsAtOnce are one wish, as a program that passes signals on sends them: the command
// may heed it, and a later one is the second.
func TestTwoSignalsAtOnce(t *testing.T) {
	p := testkit.Start(t, program(t, "stubborn"))
	p.Until("it runs", func() bool { return p.Says("up\n") })
	p.Signal(syscall.SIGTERM)
	p.Signal(syscall.SIGINT)
	p.Until("it is heeded", func() bool { return p.Says("stopping\n") })
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(); code != 128+int(syscall.SIGTERM) || strings.Count(p.Output.String(), "ended at once") != 1 {
		t.Errorf("exit %d: %q", code, p.Output.String())
	}
}
