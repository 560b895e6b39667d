package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const (
	verdictLimit = 2 * time.Second
	aliasLimit   = time.Second
	exitLimit    = 5 * time.Second
	lateTimeout  = 4 * time.Second
)

// failures deploys releases that do not come up.
func (s *stack) failures(ctx context.Context) error {
	if _, err := s.must(ctx, "deploy", "--yes", "--version", older); err != nil {
		return err
	}
	l, err := s.newLoad(ctx)
	if err != nil {
		return err
	}
	l.probe()
	defer func() {
		l.finish()
		s.want(len(l.failures) == 0, "failed requests beside releases that fail", 0, fmt.Sprint(len(l.failures), " of ", l.asked))
	}()
	for version, dies := range map[string]struct{ code, want int }{"1.0.101": {1, exit.Failure}, "1.0.165": {exit.DeployRefused, exit.DeployRefused}, "1.0.178": {exit.Config, exit.Failure}} {
		if err := image(ctx, "platform", version, fmt.Sprintf(`ENTRYPOINT ["/bin/sh", "-c", "sleep 0.3; exit %d"]`, dies.code)); err != nil {
			return err
		}
		if err := s.dying(ctx, version, dies.want); err != nil {
			return err
		}
	}
	for _, tenths := range []int{-6, -3, -1, 0, 1, 3} {
		if err := s.late(ctx, lateTimeout+time.Duration(tenths)*100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// dying deploys a release that dies at its start.
func (s *stack) dying(ctx context.Context, version string, want int) error {
	events := listen(ctx, s.id)
	r, code := s.do(ctx, "deploy", "--json", "--version", version)
	ended := time.Now()
	var death, disconnected time.Time
	verdict := r.event(failedEvent)
	for _, e := range events.end() {
		switch {
		case e.Type == "container" && e.Action == "die" && e.at().Before(verdict):
			death = e.at()
		case e.Type == "network" && e.Action == "disconnect" && e.at().After(verdict) && disconnected.IsZero():
			disconnected = e.at()
		}
	}
	if verdict.IsZero() || death.IsZero() {
		return fmt.Errorf("version %s: no death or no verdict, exit code %d: %s", version, code, r.text())
	}
	s.want(code == want, version+" dies: exit code", want, code)
	s.within(version+" dies: verdict after the deciding death", verdict.Sub(death), verdictLimit)
	if disconnected.IsZero() {
		// Its last end took the name away: the engine names only what runs.
		disconnected = death
	}
	s.within(version+" dies: alias gone after the verdict", disconnected.Sub(verdict), aliasLimit)
	s.within(version+" dies: end of tale after the deciding death", ended.Sub(death), exitLimit)
	return s.stays(ctx, version)
}

// late deploys a release whose boot begins only about when the wait for it ends: whatever
// the verdict, a green that was refused must not have been asked for anything.
func (s *stack) late(ctx context.Context, begins time.Duration) error {
	version := fmt.Sprintf("1.0.%d", begins.Milliseconds())
	more := fmt.Sprintf("ENV SOAK_LOG=1\nENTRYPOINT [\"/bin/sh\", \"-c\", \"sleep %.1f; exec platform-entrypoint\"]", begins.Seconds())
	if err := image(ctx, "platform", version, more); err != nil {
		return err
	}
	_, code := s.do(ctx, "deploy", "--json", "--version", version, "--timeout", lateTimeout.String())
	if code == 0 {
		fmt.Printf("  a boot that begins after %s of %s was in time\n", begins, lateTimeout)
		_, err := s.must(ctx, "deploy", "--yes", "--version", older)
		return err
	}
	all, err := containers(ctx, s.id)
	if err != nil {
		return err
	}
	for _, c := range all {
		if strings.HasSuffix(c.Config.Image, ":"+version) {
			text, err := docker(ctx, "logs", c.ID)
			asked := strings.Count(text, "visitor asks")
			s.want(err == nil && asked == 0, fmt.Sprintf("requests to a green whose boot begins after %s of %s", begins, lateTimeout), 0, asked)
		}
	}
	return s.stays(ctx, version)
}

// stays checks that what served still does.
func (s *stack) stays(ctx context.Context, version string) error {
	c, err := s.serving(ctx)
	if err != nil {
		return err
	}
	if now := c.version(); now != older {
		s.want(false, version+" failed: serves afterwards", older, now)
	}
	return nil
}
