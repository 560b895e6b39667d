package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

const (
	lockLimit = 2 * time.Second
	// lastMoment is the latest at which a run is hit; all of a switch lies before it, also
	// of one that replaces everything.
	lastMoment, lastMomentOfAll = 7 * time.Second, 14 * time.Second
)

// attack is a series of runs that are hit at random moments.
type attack struct {
	*stack
	load    *load
	chance  *rand.Rand
	lock    time.Duration // the longest until another run got the lock
	outages []window      // of deploy --all, whose plan announces them
	troubles
}

type window struct{ from, to time.Time }

// attacked prepares the project for many quick switches, also back to an older backend,
// and starts the prober.
func (s *stack) attacked(ctx context.Context) (*attack, error) {
	settings, err := os.ReadFile(filepath.Join(s.dir, ".env"))
	if err != nil {
		return nil, err
	}
	if quick := "SHUTDOWN_DRAIN_SECONDS=2\nCONVEX_ALLOW_DOWNGRADE=true\n"; !strings.Contains(string(settings), quick) {
		if err := os.WriteFile(filepath.Join(s.dir, ".env"), append(settings, quick...), 0o600); err != nil {
			return nil, err
		}
	}
	for _, version := range []string{newer, older} {
		if _, err := s.must(ctx, "deploy", "--all", "--yes", "--version", version); err != nil {
			return nil, err
		}
	}
	l, err := s.newLoad(ctx)
	if err != nil {
		return nil, err
	}
	l.probe()
	return &attack{stack: s, load: l, chance: rand.New(rand.NewPCG(s.seed, 0))}, nil
}

// turn returns the command of a round, the version that it brings, and when it is hit at the
// latest.
func (a *attack) turn(ctx context.Context, round int) (args []string, target string, latest time.Duration, err error) {
	target, err = a.next(ctx)
	switch round % 5 {
	case 4:
		return []string{"deploy", "--all", "--yes", "--version", target}, target, lastMomentOfAll, err
	case 1, 3:
		return []string{"rollback"}, target, lastMoment, err
	}
	return []string{"deploy", "--version", target}, target, lastMoment, err
}

// troubles are what went wrong in a series.
type troubles []string

func (t *troubles) trouble(round int, format string, args ...any) {
	text := fmt.Sprintf("round %d at %s: ", round, time.Now().Format(time.TimeOnly)) + fmt.Sprintf(format, args...)
	fmt.Println("   ", text)
	*t = append(*t, text)
}

// killing kills runs, and lets another one reach the goal, which need not be the same.
func (s *stack) killing(ctx context.Context) error {
	a, err := s.attacked(ctx)
	if err != nil {
		return err
	}
	done := 0
	for ; done < s.kills && err == nil; done++ {
		if done%20 == 0 {
			fmt.Printf("    %s, %d of %d\n", time.Now().Format(time.TimeOnly), done, s.kills)
		}
		err = a.kill(ctx, done)
	}
	a.conclude(fmt.Sprintf("%d kills", done))
	s.within("the lock is free after a kill, at most", a.lock, lockLimit)
	return err
}

func (a *attack) kill(ctx context.Context, round int) error {
	args, target, latest, err := a.leading(ctx, round)
	if err != nil {
		return err
	}
	moment := time.Duration(a.chance.Int64N(int64(latest)))
	began := time.Now()
	r, err := a.start(ctx, args...)
	if err != nil {
		return err
	}
	if !pause.For(ctx, moment) {
		return ctx.Err()
	}
	_ = r.command.Process.Kill() // it may have ended
	code := r.code()
	if round%5 == 4 {
		defer func() { a.outages = append(a.outages, window{began, time.Now()}) }()
	}
	if code == 0 || strings.Contains(r.said.String(), ", done at ") { // all but its end
		return a.look(ctx, round, args, target)
	}
	killed := time.Now()
	next, target := a.after(args, target)
	healing, code := a.do(ctx, next...)
	for code == exit.Temporary && time.Since(killed) < 10*time.Second {
		healing, code = a.do(ctx, next...)
	}
	if ctx.Err() != nil {
		return ctx.Err() // it was interrupted with this
	}
	a.lock = max(a.lock, healing.began.Sub(killed))
	what := append(args, fmt.Sprintf("killed after %s, then %v", moment, next))
	switch {
	case code == 0 && target == "":
		return a.tidy(ctx, round, what)
	case code == 0:
		return a.look(ctx, round, what, target)
	case target != "" || !strings.Contains(healing.text(), "there is no earlier release"):
		a.trouble(round, "%v: the next run ends with %d:\n%s", what, code, healing.text())
	}
	_, err = a.must(ctx, args...)
	return err
}

// leading returns what turn does, and sees to it that a rollback leads somewhere: what was
// killed, or taken back, may have left nothing to go back to.
func (a *attack) leading(ctx context.Context, round int) (args []string, target string, latest time.Duration, err error) {
	if args, target, latest, err = a.turn(ctx, round); err != nil || args[0] != "rollback" {
		return args, target, latest, err
	}
	if _, err := a.must(ctx, "deploy", "--version", target); err != nil {
		return nil, "", 0, err
	}
	return a.turn(ctx, round)
}

// after returns what an operator does when a run was killed, and the version that serves then:
// the same again, or the release of before, by its name or by a rollback, which goes back from
// what had come to serve by then, "" if that may be either.
func (a *attack) after(args []string, target string) (next []string, goal string) {
	before := otherThan(target)
	switch a.chance.IntN(4) {
	case 0:
		return []string{"deploy", "--yes", "--version", before}, before
	case 1:
		if args[0] == "rollback" { // it may have come to where it was going, and goes no further
			return args, target
		}
		return []string{"rollback"}, ""
	}
	return args, target
}

// look checks that a round has reached its goal and left nothing behind.
func (a *attack) look(ctx context.Context, round int, what []string, target string) error {
	c, err := a.serving(ctx)
	if err != nil {
		return err
	}
	if version := c.version(); version != target {
		a.trouble(round, "%v: version %s serves, not %s", what, version, target)
	}
	return a.tidy(ctx, round, what)
}

// tidy checks that nothing is there that should not be.
func (a *attack) tidy(ctx context.Context, round int, what []string) error {
	all, err := containers(ctx, a.id)
	applications := 0
	for name, c := range all {
		service, colour, _ := strings.Cut(strings.TrimPrefix(name, a.id+"-"), "-")
		running := c.State.Status == "running"
		switch {
		case service == "platform" && (colour == "blue" || colour == "green"):
			if running {
				applications++
			}
		case colour != "" || !running:
			a.trouble(round, "%v: %s is %s", what, name, c.State.Status)
		}
	}
	if applications != 1 {
		a.trouble(round, "%v: %d applications run", what, applications)
	}
	if torn := a.torn(); torn != nil {
		a.trouble(round, "%v: %v", what, torn)
	}
	return err
}

// torn returns what is wrong with the files below .tale.
func (a *attack) torn() error {
	return filepath.WalkDir(filepath.Join(a.dir, ".tale"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var value any
		switch filepath.Ext(path) {
		case ".yml":
			err = yaml.Unmarshal(text, &value)
		case ".json":
			err = json.Unmarshal(text, &value)
		case ".jsonl":
			for line := range strings.Lines(string(text)) {
				err = errors.Join(err, json.Unmarshal([]byte(line), &value))
			}
		case ".log", "":
		default:
			err = errors.New("left behind")
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return err
	})
}

// conclude says what visitors noticed, and what else went wrong.
func (a *attack) conclude(name string) {
	a.load.finish()
	var failures []failure
	excused := 0
	for _, f := range a.load.failed() {
		if a.announced(f.at) {
			excused++
			continue
		}
		failures = append(failures, f)
	}
	a.want(len(failures) == 0, name+": failed requests", 0, fmt.Sprintf("%d of %d, %d more while --all ran", len(failures), a.load.asked, excused))
	for _, f := range failures[:min(10, len(failures))] {
		fmt.Println("       ", f.what)
	}
	a.want(len(a.troubles) == 0, name+": goal missed, orphans, torn files", 0, len(a.troubles))
}

func (a *attack) announced(at time.Time) bool {
	for _, w := range a.outages {
		if !at.Before(w.from) && at.Before(w.to.Add(patience)) {
			return true
		}
	}
	return false
}

// interrupting interrupts runs: they take back what they have begun, or go on to the end.
func (s *stack) interrupting(ctx context.Context) error {
	a, err := s.attacked(ctx)
	if err != nil {
		return err
	}
	back := 0
	for round := range s.stops {
		code, err := a.interrupt(ctx, round)
		if err != nil {
			return err
		}
		if code == exit.Interrupted {
			back++
		}
	}
	a.conclude(fmt.Sprintf("%d interrupts, %d taken back", s.stops, back))
	return nil
}

func (a *attack) interrupt(ctx context.Context, round int) (int, error) {
	args, target, latest, err := a.leading(ctx, round)
	if err != nil {
		return 0, err
	}
	before, err := containers(ctx, a.id)
	if err != nil {
		return 0, err
	}
	moment := time.Duration(a.chance.Int64N(int64(latest)))
	began := time.Now()
	r, err := a.start(ctx, args...)
	if err != nil {
		return 0, err
	}
	pause.For(ctx, moment)
	_ = r.command.Process.Signal(os.Interrupt) // it may have ended
	code := r.code()
	if round%5 == 4 {
		a.outages = append(a.outages, window{began, time.Now()})
	}
	what := append(args, "interrupted after "+moment.String())
	switch code {
	case 0:
		return code, a.look(ctx, round, what, target)
	case exit.Interrupted:
		return code, errors.Join(a.asBefore(ctx, round, what, before), a.tidy(ctx, round, what))
	}
	a.trouble(round, "%v ends with %d:\n%s", what, code, r.text())
	_, err = a.must(ctx, args...)
	return code, err
}

// asBefore checks that the same serves as before: the same container of what rotates, the
// same image of what was replaced in place and put back.
func (a *attack) asBefore(ctx context.Context, round int, what []string, before map[string]container) error {
	after, err := containers(ctx, a.id)
	for name, c := range before {
		now := after[name]
		rotates := strings.Contains(name, "-platform-")
		if c.State.Status == "running" && (now.State.Status != "running" || now.Image != c.Image || rotates && now.ID != c.ID) {
			a.trouble(round, "%v: %s is not as before: %s %.12s, was %.12s", what, name, now.State.Status, now.Image, c.Image)
		}
	}
	return err
}

// two runs the command in two folders of the same project at the same time.
func (s *stack) two(ctx context.Context) error {
	if _, err := s.must(ctx, "deploy", "--yes", "--version", older); err != nil {
		return err
	}
	other, err := os.MkdirTemp("", prefix+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(other) }()
	for _, name := range []string{"tale.json", ".env"} {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(other, name), text, 0o600); err != nil {
			return err
		}
	}
	for _, try := range []struct {
		version string
		more    []string
		want    string
	}{{newer, nil, "[0 75]"}, {older, nil, "[0 75]"}, {newer, []string{"--wait"}, "[0 0]"}, {older, []string{"--wait=1m"}, "[0 0]"}} {
		args := append([]string{"deploy", "--version", try.version}, try.more...)
		a, err := s.startIn(ctx, s.dir, args...)
		b, wrong := s.startIn(ctx, other, args...)
		if err = errors.Join(err, wrong); err != nil {
			return err
		}
		codes := []int{min(a.code(), b.code()), max(a.code(), b.code())}
		got := fmt.Sprint(codes)
		s.want(got == try.want, fmt.Sprintf("exit codes of two in two folders: %v", args), try.want, got)
	}
	return nil
}
