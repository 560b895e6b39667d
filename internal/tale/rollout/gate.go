package rollout

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

const (
	lookEvery = 300 * time.Millisecond
	askEvery  = time.Second // for the boot report
	// mostDeaths end a wait: what dies three times at its start goes on dying.
	mostDeaths = 3
	// proofWithoutProbe is how long a container has to stay up that has no health check.
	proofWithoutProbe = 10 * time.Second
	// engineAway is how long the engine may be away, as while it is restarted.
	engineAway = 30 * time.Second
	// endedFor is how long a container has to be ended until it is for good: it may be restarted
	// by hand, or the engine be on its way down.
	endedFor = 10 * time.Second
	// mostExtensions bounds how often a boot that moves may move its deadline.
	mostExtensions = 12
)

// deployStage is the stage of the web application's boot in which its functions are put
// into the backend, and the section of its report that says how.
const deployStage = "deploy"

// entrypoints are the programs of our images that tell where a boot is.
var entrypoints = map[string]string{stack.Platform: "platform-entrypoint", stack.Convex: "convex-entrypoint"}

// gate waits until a container is ready, or until it is clear that it will not be.
type gate struct {
	engine  *engine.Engine
	watch   *watch
	remind  *reminder
	service string
	id      string
	timeout time.Duration

	began    time.Time
	before   int       // restarts that are another story
	old      time.Time // a health check of before the wait, since which the cause may have gone
	since    time.Time // by the engine's clock: deaths of before are another story, too
	deadline time.Time
	extended int
	asked    time.Time
	mute     bool      // the image has no command that tells where a boot is
	started  time.Time // by the engine's clock, of what has been up
	up       time.Time // since then, by ours
	ended    time.Time // since then, by ours, while nothing starts it again
	report   status.Document
	spun     int    // how often the web server had been started again when the boot was first asked
	stage    string // where the boot was when it last moved
	moved    string // the report, in short
}

// wait returns nil when the container is ready, or a *NotReadyError.
func (g *gate) wait(ctx context.Context) error {
	g.began = time.Now()
	g.deadline = g.began.Add(g.timeout)
	seen := g.began
	for {
		container, err := g.engine.Inspect(ctx, g.id)
		switch {
		case err == nil:
			if seen.Equal(g.began) {
				g.old = container.State.HealthAt
			}
			seen = time.Now()
		case engine.IsNotFound(err) || time.Since(seen) > engineAway || ctx.Err() != nil:
			return fmt.Errorf("cannot look at %s: %w", g.service, err)
		default:
			g.ended = time.Time{}
			g.remind.progress("the engine does not answer")
			if err := g.sleep(ctx); err != nil {
				return err
			}
			continue
		}
		ready, verdict := g.judge(ctx, container)
		if ready {
			return nil
		}
		if verdict != nil {
			verdict.Service, verdict.After, verdict.container, verdict.report = g.service, time.Since(g.began), container, g.report
			return verdict
		}
		if err := g.sleep(ctx); err != nil {
			return err
		}
	}
}

func (g *gate) sleep(ctx context.Context) error {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-g.watch.woken:
	case <-timer.C:
	}
	return nil
}

// judge looks once.
func (g *gate) judge(ctx context.Context, c engine.Container) (ready bool, verdict *NotReadyError) {
	deaths, times := g.watch.of(c, g.before, g.since)
	if verdict := terminal(deaths, times); verdict != nil {
		return false, verdict
	}
	switch {
	case c.State.Status == "created" && c.State.Error != "":
		return false, &NotReadyError{Cause: c.State.Error}
	case c.State.Paused():
		return false, &NotReadyError{Cause: "it is paused", Fix: []string{"docker unpause " + c.Name}}
	case g.hasEnded(c):
		return false, (&NotReadyError{
			Cause: fmt.Sprintf("it has ended with exit code %d, and nothing starts it again", c.State.ExitCode), ExitCode: c.State.ExitCode, OOM: c.State.OOMKilled, Deaths: times,
			Fix: []string{"correct what its log says; a container ends for good where it is stopped by hand, or by the `restart` of compose.override.yml"},
		}).orOOM()
	}
	g.ask(ctx, c)
	if c.State.Running && isHeld(g.report) {
		return false, final("failed", g.report.Failure.ExitCode, times)
	}
	if verdict := g.spins(c); verdict != nil {
		return false, verdict
	}
	switch {
	case !c.State.Running || c.State.Restarting:
	case !g.mute && g.report.Ready:
		return true, nil
	case c.State.Health == "healthy":
		return true, nil
	case c.State.Health == "" && g.mute && g.stays(c):
		return true, nil
	case g.refuses(c):
		verdict := final("fails its health check", c.State.HealthCode, times)
		verdict.Health = lastOf(c.State.HealthLog)
		return false, verdict
	case c.State.Health == "unhealthy" && g.mute && !c.State.HealthAt.Equal(g.old):
		return false, &NotReadyError{Cause: "its health check fails", Health: lastOf(c.State.HealthLog)}
	}
	g.remind.progress(g.standing(c, times))
	if time.Now().After(g.deadline) {
		cause, fix := fmt.Sprintf("after %s it is still not ready", time.Since(g.began).Round(time.Second)), "allow more with --timeout"
		if g.moved != "" {
			cause += ": its boot is at " + g.moved
			fix = "see to what it waits for, or " + fix
		}
		return false, &NotReadyError{Cause: cause, Fix: []string{fix}, Health: lastOf(c.State.HealthLog)}
	}
	return false, nil
}

// hasEnded reports whether a container has ended and the engine does not start it again: one
// that it will is restarting, not exited.
func (g *gate) hasEnded(c engine.Container) bool {
	switch {
	case !c.State.Ended():
		g.ended = time.Time{}
	case g.ended.IsZero():
		g.ended = time.Now()
	}
	return !g.ended.IsZero() && time.Since(g.ended) > endedFor
}

// stays reports whether a container has been up for as long as one without a health check
// has to be, as seen from here: the engine's clock may be another, and clocks are set.
func (g *gate) stays(c engine.Container) bool {
	if !c.State.Started.Equal(g.started) {
		g.started, g.up = c.State.Started, time.Now()
	}
	return time.Since(g.up) > proofWithoutProbe
}

// refuses reports whether a health check says that waiting does not mend it. That of the
// database has codes for it; another's may mean anything by them.
func (g *gate) refuses(c engine.Container) bool {
	code := c.State.HealthCode
	return c.Service == stack.DB && (code == exit.Config || code == exit.NoPermission) && !c.State.HealthAt.Equal(g.old)
}

// finalFix is what mends an end with a code that the next start would end with as well.
var finalFix = map[int]string{
	exit.DeployRefused: "the release's code or schema does not go with what is in the backend: deploy another --version",
	exit.NoPermission:  "give it what it may not read or write, as its log says",
	exit.Config:        "correct its settings in .env or compose.override.yml: `tale env check` shows what it gets",
}

// final returns the verdict on what has ended, or failed and is held, for good.
func final(how string, code, deaths int) *NotReadyError {
	verdict := &NotReadyError{Cause: fmt.Sprintf("it %s with exit code %d, which another start would not mend", how, code), ExitCode: code, Deaths: deaths}
	if fix := finalFix[code]; fix != "" {
		verdict.Fix = []string{fix}
	}
	return verdict
}

// terminal returns why a container that has died will not come up.
func terminal(deaths []death, times int) *NotReadyError {
	i := slices.IndexFunc(deaths, func(d death) bool { return finalFix[d.code] != "" })
	switch {
	case i >= 0:
		return final("ended", deaths[i].code, times)
	case times < mostDeaths:
		return nil
	}
	verdict := &NotReadyError{Cause: "it has ended " + english.Plural(times, "time", ""), Fix: []string{"correct what its log says, or deploy another --version"}, Deaths: times}
	if len(deaths) > 0 {
		last := deaths[len(deaths)-1]
		verdict.ExitCode, verdict.OOM = last.code, last.oom
		verdict.Cause = fmt.Sprintf("%s, last with exit code %d", verdict.Cause, last.code)
	}
	return verdict.orOOM()
}

// spins returns why a container will not come up in which the web server ends again and
// again before it was ready: its entrypoint starts it anew, so that the container lives on.
func (g *gate) spins(c engine.Container) *NotReadyError {
	web := webServer(g.report)
	ends := web.Restarts - g.spun
	if c.Service != stack.Platform || !c.State.Running || g.report.State != report.Running || ends < mostDeaths {
		return nil
	}
	return &NotReadyError{
		Cause: fmt.Sprintf("its web server has ended %s, last with %s", english.Plural(ends, "time", ""), web.LastExit),
		Fix:   []string{"correct what its log says, or deploy another --version"}, Deaths: ends,
	}
}

// webServer returns what a boot report of the web application says of its web server.
func webServer(d status.Document) status.Child {
	i := slices.IndexFunc(d.Children, func(c status.Child) bool { return c.Name == "web" })
	if i < 0 {
		return status.Child{}
	}
	return d.Children[i]
}

// ask gets the boot report, now and then. A boot that moves moves its deadline.
func (g *gate) ask(ctx context.Context, c engine.Container) {
	if g.mute || !c.State.Running || time.Since(g.asked) < askEvery {
		return
	}
	g.asked = time.Now()
	document, tells := bootReport(ctx, g.engine, c)
	g.mute = !tells
	if document == nil {
		return
	}
	if g.report.Stages == nil {
		g.spun = webServer(*document).Restarts
	}
	g.report = *document
	stage, more := boot(g.report)
	if stage != g.stage && g.extended < mostExtensions {
		g.extended++
		g.deadline = time.Now().Add(g.timeout)
	}
	g.stage, g.moved = stage, stage+more
}

// bootReport returns what a running container says of its boot, nil where it is only
// beginning or just ending, and whether its image has a command that tells.
func bootReport(ctx context.Context, docker *engine.Engine, c engine.Container) (document *status.Document, tells bool) {
	program, known := entrypoints[c.Service]
	if !known {
		return nil, false
	}
	out, _, code, err := docker.Exec(ctx, c.ID, []string{program, "status", "--json"}, nil)
	if err != nil || code != 0 || json.Unmarshal([]byte(out), &document) != nil {
		return nil, code != exit.NotFound
	}
	return document, true
}

// isHeld reports whether a boot has failed for good, and its container stays up only to be
// asked (HOLD_AFTER_FAILURE).
func isHeld(d status.Document) bool {
	return d.State == report.Failed && d.Failure != nil && !d.Failure.Retryable
}

// standing says in a line where the boot is.
func (g *gate) standing(c engine.Container, deaths int) string {
	text := c.State.Status
	switch {
	case g.moved != "" && c.State.Running:
		text = "boots: " + g.moved
	case c.State.Health != "":
		text = c.State.Health
		if said, _, _ := strings.Cut(lastOf(c.State.HealthLog), "\n"); said != "" {
			text += ": " + said
		}
	}
	if deaths > 0 {
		text += ", ended " + english.Plural(deaths, "time", "") + " so far"
	}
	return text
}

// boot says where a boot report is: the stage under way with what it found, and what is no
// progress: why it is not ready, and which attempt that is.
func boot(d status.Document) (stage, more string) {
	for i, s := range d.Stages {
		if s.State == report.Running {
			stage = fmt.Sprintf("%s (stage %d of %d)", s.Name, i+1, len(d.Stages))
			if s.Detail != "" {
				stage += ": " + s.Detail
			} else if why := strings.TrimPrefix(d.Reason, "stage "+s.Name); why != "" {
				more = ": " + strings.TrimPrefix(why, ": ")
			}
			if s.Attempts > 1 {
				more += fmt.Sprintf(", attempt %d", s.Attempts)
			}
			return stage, more
		}
	}
	return cmp.Or(d.Reason, string(d.State)), ""
}

func lastOf(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}

// functions reports whether those of the boot are in the backend, and whether this boot has put
// them there: it leaves alone what the backend runs already.
func (g *gate) functions() (live, pushed bool) {
	ended := slices.ContainsFunc(g.report.Stages, func(s report.Stage) bool { return s.Name == deployStage && s.State == report.Done })
	push, err := report.Section[struct {
		Skipped string `json:"skipped"`
	}](g.report.Document, deployStage)
	return ended, ended && (err != nil || push == nil || push.Skipped == "")
}
