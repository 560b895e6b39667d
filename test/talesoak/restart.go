package main

import (
	"context"
	"fmt"
	"strings"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// engineRestarts lets the engine be restarted, as by an upgrade of its package, while a new
// colour boots: tale has to say what has happened, what served serves again, and the colour
// that the engine starts by itself must not get its place.
func (s *stack) engineRestarts(ctx context.Context) error {
	if s.engine == nil {
		fmt.Println("  not run: it needs an engine of its own, --kill-engine")
		return nil
	}
	if _, err := s.must(ctx, "deploy", "--yes", "--version", older); err != nil {
		return err
	}
	const version = "1.0.500"
	if err := image(ctx, "platform", version, `ENTRYPOINT ["/bin/sh", "-c", "trap exit TERM; sleep 60 & wait $!"]`); err != nil {
		return err
	}
	r, err := s.start(ctx, "deploy", "--version", version)
	if err != nil {
		return err
	}
	boots := func() bool {
		out, _ := docker(ctx, "ps", "--format", "{{.Image}}")
		return strings.Contains(out, "tale-platform:"+version)
	}
	if !eventually(ctx, engineUp, boots) {
		return fmt.Errorf("the new colour does not start: %s", r.said.String())
	}
	if err := s.engine.restart(ctx); err != nil {
		return err
	}
	code, said := r.code(), r.said.String()
	s.want(code == exit.Unavailable, "an engine that is restarted in a deploy: exit code", exit.Unavailable, code)
	told := strings.Contains(said, "the engine has ended or was restarted") && strings.Contains(said, "was not touched")
	if s.want(told, "it is told, and what serves", true, told); !told {
		fmt.Print(said)
	}
	s.want(!boots(), "the new colour is out", true, !boots())
	now, err := s.serving(ctx)
	if err != nil {
		return err
	}
	s.want(now.version() == older, "serves afterwards", older, now.Config.Image)
	_, err = s.must(ctx, "deploy", "--version", newer)
	return err
}

// restart ends the engine as its host's service manager does, and starts it again.
func (e *ownEngine) restart(ctx context.Context) error {
	if err := e.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-e.ended
	return e.start(ctx, false)
}
