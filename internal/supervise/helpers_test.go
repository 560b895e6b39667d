package supervise_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func stdoutLogger() *slog.Logger {
	return logging.New(os.Stdout, logging.FormatConsole, slog.LevelDebug)
}

// helperSignals prints the numbers of the signals it gets, and ends with code
// 42 after the one that its argument names.
func helperSignals() int {
	received := make(chan os.Signal, 100)
	signal.Notify(received)
	signal.Reset(syscall.SIGURG, syscall.SIGCHLD)
	fmt.Println("ready", os.Getpid())
	for sig := range received {
		number := strconv.Itoa(int(sig.(syscall.Signal)))
		fmt.Println("got", number)
		if len(os.Args) > 1 && os.Args[1] == number {
			return 42
		}
	}
	return 0
}

// helperParent starts a child and waits to be killed.
func helperParent() int {
	c, err := supervise.Start(stdoutLogger(), supervise.Process{Name: "sleep", Argv: []string{"sleep", "1000"}, Env: os.Environ()})
	if err != nil {
		return 1
	}
	fmt.Println("child", c.Pid())
	<-c.Done()
	return 0
}

// helperChurn starts many children with different codes, some by os/exec,
// while orphans of theirs die, and checks every status.
func helperChurn() int {
	supervise.Adopt()
	var wrong sync.Map
	var group sync.WaitGroup
	for i := range 60 {
		code := i % 7
		script := fmt.Sprintf("(sh -c 'exit 9' &) ; (sleep 0.0%d &) ; exit %d", i%10, code)
		group.Go(func() {
			status, err := supervise.Run(context.Background(), logging.Discard(), shell(script))
			if err != nil || status.ExitCode() != code {
				wrong.Store(i, fmt.Sprintf("Run: %v, %v, want %d", status, err, code))
			}
		})
		group.Go(func() {
			cmd := exec.Command("sh", "-c", script)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: i%2 == 0}
			err := cmd.Run()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
				wrong.Store(-i, fmt.Sprintf("os/exec: %v, want %d", err, code))
			}
		})
	}
	group.Wait()
	failures := 0
	wrong.Range(func(_, what any) bool {
		failures++
		fmt.Println(what)
		return true
	})
	fmt.Println("churned")
	return min(failures, 1)
}

// helperStoppable says when it is asked to stop and to escalate.
func helperStoppable() int {
	ctx, release := supervise.StopContext(context.Background(), stdoutLogger())
	defer release()
	fmt.Println("waiting")
	<-ctx.Done()
	escalated := supervise.Escalated(ctx)
	fmt.Println("cause:", context.Cause(ctx))
	<-escalated
	fmt.Println("escalated")
	return 0
}

// entrypointSpec is what helperEntrypoint runs.
type entrypointSpec struct {
	Services []entrypointService
}

type entrypointService struct {
	Name     string
	Script   string // for sh
	Stop     []string
	Wait     time.Duration
	Budget   int
	Critical bool
	Ready    string // a file that must exist
}

// helperEntrypoint runs a supervisor as an entrypoint does. Its argument is an
// entrypointSpec.
func helperEntrypoint() int {
	var spec entrypointSpec
	if err := json.Unmarshal([]byte(os.Args[1]), &spec); err != nil {
		fmt.Println(err)
		return exit.Usage
	}
	log := stdoutLogger()
	ctx, release := supervise.StopContext(context.Background(), log)
	defer release()
	var services []supervise.Service
	for _, s := range spec.Services {
		services = append(services, s.service())
	}
	fmt.Println("budget", supervise.StopBudget(services))
	err := supervise.New(log).Run(ctx, services...)
	if err != nil {
		fmt.Println("failed:", err)
	}
	return exit.Code(err)
}

func (s entrypointService) service() supervise.Service {
	service := supervise.Service{
		Process:  s.process(),
		Critical: s.Critical,
		Restart:  supervise.RestartPolicy{Budget: s.Budget, Delay: 10 * time.Millisecond, MaxDelay: 20 * time.Millisecond},
		OnState:  func(state supervise.State) { fmt.Println("state", s.Name, state) },
	}
	for _, name := range s.Stop {
		m, _ := supervise.ParseSignalMap([]string{"1=" + name})
		service.Stop = append(service.Stop, supervise.StopStep{Signal: m[1], Wait: s.Wait})
	}
	if s.Ready != "" {
		service.Ready = func(context.Context) error {
			_, err := os.Stat(s.Ready)
			return err
		}
	}
	return service
}

// process passes on the mark of a round of the kill test.
func (s entrypointService) process() supervise.Process {
	p := shell(s.Script)
	p.Name = s.Name
	for _, pair := range os.Environ() {
		if strings.HasPrefix(pair, "SUPERVISE_TEST_ROUND=") {
			p.Env = append(p.Env, pair)
		}
	}
	return p
}

type stringList []string

func (l *stringList) String() string { return "" }

func (l *stringList) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// helperExec returns the exec command of the entrypoints.
func helperExec() int {
	var rules stringList
	flags := flag.NewFlagSet("exec", flag.ExitOnError)
	noGroup := flags.Bool("no-group", false, "")
	flags.Var(&rules, "signal", "")
	_ = flags.Parse(os.Args[1:])
	signals, err := supervise.ParseSignalMap(rules)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exit.Usage
	}
	env := slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, testkit.RoleVariable+"=") })
	status, err := supervise.Exec(logging.New(os.Stderr, logging.FormatConsole, slog.LevelWarn),
		supervise.ExecOptions{Argv: flags.Args(), Env: env, Signals: signals, NoGroup: *noGroup})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exit.Code(err)
	}
	return status.ExitCode()
}
