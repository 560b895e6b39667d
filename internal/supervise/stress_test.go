package supervise_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// roundsVariable asks for more rounds of the kill test than a usual run has.
const roundsVariable = "SUPERVISE_KILL_ROUNDS"

const usualRounds = 30

// killedEntrypoint is an entrypoint with children of all kinds: one that drains,
// one that ignores every polite signal, one with a family, and one that keeps
// dying by itself.
var killedEntrypoint = entrypointSpec{Services: []entrypointService{
	{Name: "drains", Critical: true, Stop: []string{"INT", "INT"}, Wait: 300 * time.Millisecond,
		Script: `trap "sleep 0.05; exit 0" INT; while :; do sleep 1; done`},
	{Name: "stubborn", Budget: 1000, Stop: []string{"TERM"}, Wait: 100 * time.Millisecond,
		Script: `trap "" TERM INT HUP QUIT; while :; do sleep 1; done`},
	{Name: "family", Critical: true, Budget: 1000, Stop: []string{"TERM"}, Wait: 300 * time.Millisecond,
		Script: `(setsid sleep 1000 &) ; sleep 1000 & (sleep 1000 &) ; wait`},
	{Name: "dies", Budget: 1000, Script: `sleep 0.1; exit 1`},
}}

// TestRandomKills kills the supervisor or one of its children with any signal
// at any moment of start, run and stop, then asks for a stop. Whatever
// happens, nothing may be left, the exit code must be right, and the stop must
// keep to its budget.
func TestRandomKills(t *testing.T) {
	t.Parallel()
	rounds := usualRounds
	if text := os.Getenv(roundsVariable); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", roundsVariable, err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	next := make(chan int)
	var workers sync.WaitGroup
	for range 8 { // they mostly wait
		workers.Go(func() {
			for i := range next {
				t.Run(strconv.Itoa(i), func(t *testing.T) {
					r := &killRound{t: t, random: rand.New(rand.NewPCG(seed, uint64(i)))}
					r.run(i)
				})
			}
		})
	}
	for i := range rounds {
		next <- i
	}
	close(next)
	workers.Wait()
}

type killRound struct {
	t      *testing.T
	random *rand.Rand
	log    []string
	p      *testkit.Process
}

func (r *killRound) note(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *killRound) run(i int) {
	spec, _ := json.Marshal(killedEntrypoint)
	mark := fmt.Sprintf("SUPERVISE_TEST_ROUND=%d.%d", os.Getpid(), i)
	argv := []string{self(r.t), string(spec)}
	asPID1 := r.random.IntN(2) == 0
	if asPID1 {
		argv = testkit.PID1(r.t, argv...)
	}
	r.p = startMarked(r.t, mark, argv)
	r.pause(250)
	target, sig := r.victim(), syscall.Signal(1+r.random.IntN(31))
	// Outside a PID namespace nobody can end the descendants of a killed
	// supervisor: the kernel ends only its own children.
	if target == "supervisor" && !asPID1 && uncatchableEnd(sig) {
		sig = syscall.SIGTERM
	}
	r.kill(target, sig)
	r.pause(100)
	r.stop()
	code := r.p.Wait()
	if !r.allowed(target, sig, asPID1, code) {
		r.fail("exit code %d", code)
	}
	r.checkNothingLeft(mark)
}

// uncatchableEnd reports whether a signal ends even our supervisor.
func uncatchableEnd(sig syscall.Signal) bool { return sig == unix.SIGKILL }

func startMarked(t *testing.T, mark string, argv []string) *testkit.Process {
	t.Helper()
	cmd := command("entrypoint", argv...)
	cmd.Env = append(cmd.Env, mark)
	return testkit.Start(t, cmd)
}

func (r *killRound) pause(limit int) {
	time.Sleep(time.Duration(r.random.IntN(limit)) * time.Millisecond)
}

func (r *killRound) victim() string {
	names := []string{"supervisor", "drains", "stubborn", "family", "dies"}
	return names[r.random.IntN(len(names))]
}

// kill sends a signal to the supervisor or a child, if it is there already.
func (r *killRound) kill(target string, sig syscall.Signal) {
	pid := 0
	select {
	case <-r.p.Ended():
	default:
		pid = r.find(target)
	}
	r.note("%v to %s (%d)", sig, target, pid)
	if pid > 0 {
		_ = unix.Kill(pid, sig)
	}
}

func (r *killRound) find(target string) int {
	supervisor := r.p.Cmd.Process.Pid
	if r.p.Cmd.Args[0] == "unshare" {
		children := procfs.Children(supervisor)
		if len(children) == 0 {
			return 0
		}
		supervisor = children[0]
	}
	if target == "supervisor" {
		return supervisor
	}
	script := killedEntrypoint.Services[slices.IndexFunc(killedEntrypoint.Services, func(s entrypointService) bool { return s.Name == target })].Script
	for _, child := range procfs.Children(supervisor) {
		if strings.Contains(commandLine(child), script) {
			return child
		}
	}
	return 0
}

// stop asks for a stop and checks that it keeps to the printed budget.
func (r *killRound) stop() {
	// A signal to a PID 1 that does not listen yet is lost, not only ours.
	testkit.Eventually(r.t, "it listens or has ended", func() bool {
		if pid := r.find("supervisor"); pid > 0 {
			_ = unix.Kill(pid, unix.SIGCONT)
		}
		select {
		case <-r.p.Ended():
			return true
		default:
			return r.p.Says("budget ")
		}
	})
	began := time.Now()
	if pid := r.find("supervisor"); pid > 0 {
		_ = unix.Kill(pid, unix.SIGTERM)
	}
	r.p.Wait()
	_, text, found := strings.Cut(r.p.Output.String(), "budget ")
	line, _, _ := strings.Cut(text, "\n")
	budget, err := time.ParseDuration(line)
	if found && err == nil && time.Since(began) > budget {
		r.fail("the stop took %v, the budget is %v", time.Since(began), budget)
	}
}

// allowed says which exit codes a round may have.
func (r *killRound) allowed(target string, sig syscall.Signal, asPID1 bool, code int) bool {
	early := !r.p.Says("budget ") // not yet listening
	switch {
	case code == 0:
		return true
	case target == "supervisor":
		if asPID1 && sig == unix.SIGKILL && code == 1 {
			return true // unshare fails to report that signal
		}
		// Before we listen, the Go runtime makes a trace and exit code 2 of SIGTRAP
		// and its like.
		return code == 128+int(sig) && (early || uncatchableEnd(sig)) || early && (code == 2 || endsEarly(asPID1, code))
	case target == "drains":
		// It is not restarted: its own end, by that signal or as it chose.
		return code == 128+int(sig) || code == exit.UnrequestedEnd || early && endsEarly(asPID1, code)
	default:
		return early && endsEarly(asPID1, code)
	}
}

// endsEarly reports whether that is what a Go program that does not listen yet makes of SIGTERM: PID
// 1 cannot be ended by a signal and exits with 2.
func endsEarly(asPID1 bool, code int) bool { return asPID1 && code == 2 || code == 143 }

// checkNothingLeft looks for processes that carry the mark of the round.
func (r *killRound) checkNothingLeft(mark string) {
	var left []string
	deadline := time.Now().Add(3 * time.Second)
	for {
		if left = marked(mark); len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.fail("left behind: %q", left)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func marked(mark string) (commands []string) {
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		environ, err := os.ReadFile(folder + "/environ")
		pid, _ := strconv.Atoi(filepath.Base(folder))
		if err == nil && bytes.Contains(environ, []byte(mark+"\x00")) && testkit.Alive(pid) {
			commands = append(commands, folder+": "+strings.ReplaceAll(commandLine(pid), "\x00", " "))
		}
	}
	return commands
}

func (r *killRound) fail(format string, args ...any) {
	r.t.Errorf("%s: %s", strings.Join(r.log, ", "), fmt.Sprintf(format, args...))
}
