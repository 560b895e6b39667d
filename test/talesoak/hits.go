package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

const (
	// longestAim is the latest at which something is hit after the helper that it is aimed
	// at has begun. Moments are spread so that short and long helpers are hit alike.
	longestAim, shortestAim = time.Second, time.Millisecond
	// scanEvery is how often the kernel is asked for new helpers.
	scanEvery = 4 * time.Millisecond
)

// Kinds of hits.
const (
	killed      = "tale killed"
	interrupted = "tale interrupted"
	terminated  = "tale terminated"
	noHelper    = "helper killed"
	both        = "both killed"
	noEngine    = "engine killed"
)

// hitting is a series of runs that are hit.
type hitting struct {
	*stack
	chance   *rand.Rand
	hits     map[string]map[string]int
	reruns   int
	restarts int // of the engine, as a command has asked for
	troubles
}

func (s *stack) hitting(salt uint64) *hitting {
	return &hitting{stack: s, chance: rand.New(rand.NewPCG(s.seed, salt)), hits: map[string]map[string]int{}}
}

func (h *hitting) total() (all int) {
	for _, stages := range h.hits {
		for _, n := range stages {
			all += n
		}
	}
	return all
}

// do runs a command to its end, and again once the engine is restarted as it asks for.
func (h *hitting) do(ctx context.Context, args ...string) (r *run, code int) {
	if r, code = h.stack.do(ctx, args...); code != 0 && h.restarted(ctx, r) {
		return h.stack.do(ctx, args...)
	}
	return r, code
}

// restarted restarts the engine if a command says that it has to be, as it keeps a port for
// a container that it has lost.
func (h *hitting) restarted(ctx context.Context, r *run) bool {
	if h.engine == nil || !strings.Contains(r.text(), engine.Restart) || h.engine.kill(ctx, 0, h.live) != nil {
		return false
	}
	h.restarts++
	return true
}

// wrong notes what was found in a comparison, the first few of it.
func (h *hitting) wrong(round int, where string, list []string) {
	const first = 3
	if len(list) > 0 {
		h.trouble(round, "%s, %d: %s", where, len(list), strings.Join(list[:min(first, len(list))], "; "))
	}
}

// conclude prints where the hits fell.
func (h *hitting) conclude(what string) {
	for _, kind := range slices.Sorted(maps.Keys(h.hits)) {
		stages, all := h.hits[kind], 0
		var list []string
		for _, stage := range slices.Sorted(maps.Keys(stages)) {
			list = append(list, fmt.Sprintf("%s %d", stage, stages[stage]))
			all += stages[stage]
		}
		fmt.Printf("  %-17s %4d: %s\n", kind, all, strings.Join(list, ", "))
	}
	fmt.Printf("  %d reruns until the goal, %d restarts of the engine that the command has asked for\n", h.reruns, h.restarts)
	h.want(len(h.troubles) == 0, fmt.Sprintf("%d hits of %s: troubles", h.total(), what), 0, len(h.troubles))
}

// aim is what is hit, and when.
type aim struct {
	kind  string
	verb  string        // of the helper whose beginning is waited for; "" counts from the beginning of the run
	after time.Duration // that
	sign  func() bool   // what is waited for in the place of a helper, or nil
}

// aim takes one at random. Where it is not aimed at one of the verbs, it is at the latest
// after so long.
func (h *hitting) aim(latest time.Duration, verbs ...string) aim {
	kinds := []string{killed, killed, interrupted, terminated, noHelper, noHelper, both}
	switch {
	case h.engine != nil:
		kinds = []string{noEngine}
	case len(verbs) == 0:
		kinds = []string{killed, killed, interrupted, terminated}
	}
	a := aim{kind: kinds[h.chance.IntN(len(kinds))]}
	if a.kind == noHelper || a.kind == both || len(verbs) > 0 && h.chance.IntN(2) == 0 {
		a.verb = verbs[h.chance.IntN(len(verbs))]
		a.after = h.moment(longestAim)
	} else {
		a.after = time.Duration(h.chance.Int64N(int64(latest)))
	}
	return a
}

// moment takes one at random, of the earlier ones more.
func (h *hitting) moment(latest time.Duration) time.Duration {
	return time.Duration(float64(shortestAim) * math.Pow(float64(latest/shortestAim), h.chance.Float64()))
}

// strike hits a run, or finds that it has ended before.
func (h *hitting) strike(ctx context.Context, r *run, a aim) (struck bool, err error) {
	var helper int
	if a.verb != "" {
		if helper = h.awaitHelper(r, a.verb); helper == 0 {
			return false, ctx.Err()
		}
	}
	if a.sign != nil && !h.awaitSign(r, a.sign) {
		return false, ctx.Err()
	}
	select {
	case <-r.ended:
		return false, ctx.Err()
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(a.after):
	}
	moment, stage := time.Now(), "in helper "+a.verb
	process := r.command.Process
	switch a.kind {
	case killed:
		struck = process.Kill() == nil
	case interrupted:
		struck = process.Signal(os.Interrupt) == nil
	case terminated:
		struck = process.Signal(syscall.SIGTERM) == nil
	case noHelper, both:
		// The helper first: it would end by itself.
		struck = h.isHelper(helper, a.verb) && unix.Kill(helper, unix.SIGKILL) == nil
		if a.kind == both {
			struck = process.Kill() == nil || struck
		}
	case noEngine:
		struck, err = true, h.engine.kill(ctx, time.Duration(h.chance.Int64N(int64(longestGone))), h.live)
	}
	if !struck || err != nil {
		return false, err
	}
	if a.verb == "" || !h.isHelper(helper, a.verb) && a.kind != noHelper && a.kind != both {
		<-r.ended
		stage = r.stageAt(moment)
	}
	if r.code() == 0 {
		return false, nil // it came to its end nevertheless
	}
	if h.hits[a.kind] == nil {
		h.hits[a.kind] = map[string]int{}
	}
	h.hits[a.kind][stage]++
	return true, nil
}

// awaitSign reports whether there is one while a run goes on.
func (h *hitting) awaitSign(r *run, sign func() bool) bool {
	for !sign() {
		select {
		case <-r.ended:
			return false
		case <-time.After(scanEvery):
		}
	}
	return true
}

// awaitHelper returns the process of the first helper of the stack that does this while a
// run goes on.
func (h *hitting) awaitHelper(r *run, verb string) int {
	others := map[int]bool{}
	for {
		now := map[int]bool{}
		entries, _ := filepath.Glob("/proc/[0-9]*")
		for _, entry := range entries {
			pid, _ := strconv.Atoi(filepath.Base(entry))
			now[pid] = true
			if others[pid] {
				continue
			}
			line, _ := os.ReadFile(entry + "/cmdline")
			switch {
			case h.isHelper(pid, verb):
				return pid
			case len(line) > 0 && !bytes.Contains(line, []byte("runc")) && !bytes.HasPrefix(line, []byte("/tale")):
				others[pid] = true
			}
		}
		maps.DeleteFunc(others, func(pid int, _ bool) bool { return !now[pid] })
		select {
		case <-r.ended:
			return 0
		case <-time.After(scanEvery):
		}
	}
}

// isHelper reports whether a process is a helper that does something in a volume of the
// stack. Other stacks of the host have helpers, too.
func (h *hitting) isHelper(pid int, verb string) bool {
	folder := filepath.Join("/proc", strconv.Itoa(pid))
	line, err := os.ReadFile(filepath.Join(folder, "cmdline"))
	if err != nil || !bytes.HasPrefix(line, []byte("/tale\x00helper\x00"+verb+"\x00")) {
		return false
	}
	mounts, err := os.ReadFile(filepath.Join(folder, "mountinfo"))
	return err == nil && (bytes.Contains(mounts, []byte("/volumes/"+h.id+"_")) || bytes.Contains(mounts, []byte("/volumes/tale_")))
}

// stageAt returns where a run of --json was at a moment.
func (r *run) stageAt(moment time.Time) string {
	stage := "at the beginning"
	for _, event := range r.events() {
		if event.Time.After(moment) {
			continue
		}
		switch word, _, _ := strings.Cut(event.Stage, " "); {
		case event.Kind == rollout.Ended:
			stage = "after " + word
		case word != "":
			stage = word
		case event.Text != "":
			stage, _, _ = strings.Cut(event.Text, " ")
		}
	}
	return stage
}

// eventually waits for something to be true, and reports whether it came to be.
func eventually(ctx context.Context, within time.Duration, is func() bool) bool {
	for until := time.Now().Add(within); !is(); {
		if time.Now().After(until) || !pause.For(ctx, 200*time.Millisecond) {
			return false
		}
	}
	return true
}

var tracerOf = regexp.MustCompile(`TracerPid:\s+(\d+)`)

// tracedIn returns which threads of a container are held by another process.
func tracedIn(id string) (held []string) {
	groups, _ := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, group := range groups {
		if text, err := os.ReadFile(group); err != nil || !bytes.Contains(text, []byte(id)) {
			continue
		}
		threads, _ := filepath.Glob(filepath.Join(filepath.Dir(group), "task/*/status"))
		for _, thread := range threads {
			text, _ := os.ReadFile(thread)
			if tracer := tracerOf.FindSubmatch(text); tracer != nil && string(tracer[1]) != "0" {
				held = append(held, thread)
			}
		}
	}
	return held
}
