package supervise_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestReadinessFollowsTheProbe(t *testing.T) {
	seen := &states{}
	var healthy atomic.Bool
	service := supervise.Service{Process: shell("sleep 1000"), OnState: seen.add, Ready: func(context.Context) error {
		if !healthy.Load() {
			return errors.New("not yet")
		}
		return nil
	}}
	s := runServices(t, supervise.ProbeQuickly(service))
	testkit.Eventually(t, "it runs", func() bool { return seen.String() == "starting running" })
	healthy.Store(true)
	testkit.Eventually(t, "it is ready", func() bool { return seen.String() == "starting running ready" })
	healthy.Store(false)
	testkit.Eventually(t, "it is no longer ready", func() bool { return seen.String() == "starting running ready running" })
	if !strings.Contains(s.log.String(), `no longer ready process=shell reason="not yet"`) {
		t.Error("the reason was not logged")
	}
	healthy.Store(true)
	testkit.Eventually(t, "it is ready again", func() bool { return seen.String() == "starting running ready running ready" })
}

func TestHangingProbeIsGivenUp(t *testing.T) {
	var calls atomic.Int32
	service := supervise.Service{Process: shell("sleep 1000"), Ready: func(ctx context.Context) error {
		if calls.Add(1) == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}
	s := runServices(t, supervise.ProbeQuickly(service))
	testkit.Eventually(t, "a later probe passes", func() bool { return s.Snapshot() != nil && s.Snapshot()[0].State == supervise.StateReady })
}

func TestReadinessEndsAtOnceWithTheProcess(t *testing.T) {
	told := make(chan time.Time, 10)
	service := supervise.Service{Process: shell(`setsid sh -c 'echo holding; exec sleep 5' & sleep 1000`), OnState: func(state supervise.State) {
		if state == supervise.StateExited {
			told <- time.Now()
		}
	}}
	s := runServices(t, service)
	testkit.Eventually(t, "a daemon holds its output", func() bool { return strings.Contains(s.log.String(), "holding") })
	died := time.Now()
	if err := syscall.Kill(s.Snapshot()[0].Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if took := (<-told).Sub(died); took > 400*time.Millisecond {
		t.Errorf("told after %v", took)
	}
}

func TestStopBudgetCoversTheLongestStop(t *testing.T) {
	stubborn := supervise.Service{Process: helper(t, "signals")}
	stubborn.Stop = []supervise.StopStep{{syscall.SIGINT, 200 * time.Millisecond}, {syscall.SIGTERM, 300 * time.Millisecond}}
	quick := supervise.Service{Process: shell("sleep 1000")}
	budget := supervise.StopBudget([]supervise.Service{quick, stubborn})
	if budget < 500*time.Millisecond || budget > 4*time.Second {
		t.Errorf("budget %v", budget)
	}
	s := runServices(t, quick, stubborn)
	testkit.Eventually(t, "both are up", func() bool { return strings.Contains(s.log.String(), "| ready") })
	if !strings.Contains(s.log.String(), "stop_budget="+budget.String()) {
		t.Error("the budget is not logged")
	}
	began := time.Now()
	s.stop()
	_ = s.wait(t)
	if took := time.Since(began); took > budget {
		t.Errorf("took %v, the budget is %v", took, budget)
	}
}

// A process that runs and does not become ready is told again and again, with the
// reason and with what it does; one that is ready is not.
func TestSilenceIsTold(t *testing.T) {
	for script, want := range map[string]string{
		"sleep 1000":          "its process has used 0 % of a processor for [0-9]+s: it waits for something",
		"while :; do :; done": "its process has used [0-9]+ % of a processor",
		"kill -STOP $$":       "its process is stopped by a signal",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			said := regexp.MustCompile("^no answer in time; " + want)
			var told atomic.Int32
			var healthy atomic.Bool
			service := supervise.Service{Process: shell(script),
				Ready: func(context.Context) error {
					if !healthy.Load() {
						return context.DeadlineExceeded
					}
					return nil
				},
				OnSilence: func(since time.Duration, reason string) {
					if since >= 0 && said.MatchString(reason) {
						told.Add(1)
					}
				}}
			s := runServices(t, supervise.ProbeQuickly(service))
			testkit.Eventually(t, "it is told twice", func() bool { return told.Load() >= 2 })
			healthy.Store(true)
			testkit.Eventually(t, "it is ready", func() bool { return s.Snapshot()[0].State == supervise.StateReady })
		})
	}
}
