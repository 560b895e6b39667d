package rollout

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// TestWhereABootIs: with why it is not over, which may be the stage's name alone, and which of
// a web server that ends again and again is no part of the stage.
func TestWhereABootIs(t *testing.T) {
	for _, tt := range []struct{ detail, reason, want string }{
		{"", "stage serve", "serve (stage 2 of 2)"},
		{"", "stage serve: no answer yet", "serve (stage 2 of 2): no answer yet"},
		{"", "web ended: exit code 1", "serve (stage 2 of 2): web ended: exit code 1"},
		{"3 of 8", "web ended: exit code 1", "serve (stage 2 of 2): 3 of 8"},
		{"", "", "serve (stage 2 of 2)"},
	} {
		d := status.Document{Live: status.Live{Reason: tt.reason}}
		d.Stages = []report.Stage{{Name: "config", State: report.Done}, {Name: "serve", State: report.Running, Detail: tt.detail}}
		if stage, more := boot(d); stage+more != tt.want {
			t.Errorf("%+v: %q", tt, stage+more)
		}
	}
}

// TestAHealthCheckThatIsFinal is the database's, with codes that its image has for it.
func TestAHealthCheckThatIsFinal(t *testing.T) {
	for _, tt := range []struct {
		service string
		code    int
		final   bool
	}{
		{stack.DB, exit.Config, true},
		{stack.DB, exit.NoPermission, true},
		{stack.DB, exit.DeployRefused, false},
		{stack.DB, exit.Failure, false},
		{stack.Platform, exit.Config, false},
		{stack.RAG, exit.NoPermission, false},
	} {
		g := gate{watch: newWatch(), remind: (&teller{say: func(Event) {}}).reminder(tt.service), mute: true, deadline: time.Now().Add(time.Hour)}
		c := engine.Container{Service: tt.service, State: engine.State{Running: true, Health: "starting", HealthCode: tt.code, HealthAt: time.Now(), HealthLog: []string{"no"}}}
		ready, verdict := g.judge(t.Context(), c)
		if ready || (verdict != nil) != tt.final || verdict != nil && (verdict.ExitCode != tt.code || verdict.Health != "no") {
			t.Errorf("%s, %d: ready %t, %+v", tt.service, tt.code, ready, verdict)
		}
	}
}

// TestAHealthCheckOfBefore the wait says nothing: the password, say, was put right since.
func TestAHealthCheckOfBefore(t *testing.T) {
	before := time.Now()
	for at, final := range map[time.Time]bool{before: false, before.Add(time.Second): true} {
		g := gate{watch: newWatch(), remind: (&teller{say: func(Event) {}}).reminder("db"), old: before, deadline: before.Add(time.Hour)}
		c := engine.Container{Service: stack.DB, State: engine.State{Running: true, Health: "starting", HealthCode: exit.Config, HealthAt: at}}
		if ready, verdict := g.judge(t.Context(), c); ready || (verdict != nil) != final {
			t.Errorf("%s: ready %t, %v", at.Sub(before), ready, verdict)
		}
	}
}

// TestAWebServerThatEndsAgainAndAgain is started anew within its container, which lives on;
// what had ended before the wait, and once it has been ready, is another story.
func TestAWebServerThatEndsAgainAndAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		service     string
		state       report.State
		ends, since int
		want        string
	}{
		"three times":             {stack.Platform, report.Running, 3, 0, "its web server has ended 3 times, last with exit code 1"},
		"twice":                   {stack.Platform, report.Running, 2, 0, ""},
		"most before":             {stack.Platform, report.Running, 12, 10, ""},
		"it was ready":            {stack.Platform, report.Ready, 9, 0, ""},
		"another's child":         {stack.Convex, report.Running, 9, 0, ""},
		"a child of another name": {stack.Platform, report.Running, -1, 0, ""},
	} {
		g := gate{watch: newWatch(), remind: (&teller{say: func(Event) {}}).reminder(tt.service), asked: time.Now(), spun: tt.since, deadline: time.Now().Add(time.Hour)}
		child := status.Child{Name: "web", Restarts: tt.ends, LastExit: "exit code 1"}
		if tt.ends < 0 {
			child = status.Child{Name: "helper", Restarts: 9}
		}
		g.report = status.Document{Document: report.Document{State: tt.state}, Live: status.Live{Children: []status.Child{child}}}
		c := engine.Container{Service: tt.service, State: engine.State{Running: true, Health: "starting"}}
		ready, verdict := g.judge(t.Context(), c)
		if ready || (verdict != nil) != (tt.want != "") || verdict != nil && verdict.Cause != tt.want {
			t.Errorf("%s: ready %t, %+v", name, ready, verdict)
		}
	}
}

// TestWhatHasNoHealthCheck has to stay up, by our clock: the engine's may be any.
func TestWhatHasNoHealthCheck(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, 0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			g := gate{watch: newWatch(), remind: (&teller{say: func(Event) {}}).reminder("redis"), mute: true, deadline: time.Now().Add(time.Hour)}
			c := engine.Container{Service: "redis", State: engine.State{Running: true, Started: time.Now().Add(off)}}
			if ready, verdict := g.judge(t.Context(), c); ready || verdict != nil {
				t.Errorf("%s: at once: ready %t, %v", off, ready, verdict)
			}
			time.Sleep(proofWithoutProbe + time.Second)
			if ready, verdict := g.judge(t.Context(), c); !ready {
				t.Errorf("%s: later: %v", off, verdict)
			}
			c.State.Started = time.Now().Add(off)
			if ready, _ := g.judge(t.Context(), c); ready {
				t.Errorf("%s: it has begun anew", off)
			}
		})
	}
}

// TestWhatHasEndedForGood is no longer waited for; by hand it may be restarted.
func TestWhatHasEndedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{watch: newWatch(), remind: (&teller{say: func(Event) {}}).reminder(stack.RAG), deadline: time.Now().Add(time.Hour)}
		ended := engine.Container{Service: stack.RAG, State: engine.State{Status: "exited"}}
		restarts := engine.Container{Service: stack.RAG, State: engine.State{Status: "restarting", Running: true, Restarting: true}}
		for _, c := range []engine.Container{ended, restarts, ended} {
			if ready, verdict := g.judge(t.Context(), c); ready || verdict != nil {
				t.Fatalf("%s: ready %t, %v", c.State.Status, ready, verdict)
			}
			time.Sleep(endedFor)
		}
		time.Sleep(lookEvery)
		if _, verdict := g.judge(t.Context(), ended); verdict == nil || verdict.Cause != "it has ended with exit code 0, and nothing starts it again" {
			t.Errorf("%+v", verdict)
		}
	})
}
