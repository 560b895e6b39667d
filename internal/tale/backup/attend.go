package backup

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// talk runs a helper and lets hear answer what it says. An error of hear ends it.
func talk(ctx context.Context, cancel context.CancelCauseFunc, e *engine.Engine, o engine.HelperOptions, s engine.Streams, hear func(message) error) error {
	said := ""
	messages := make(chan message, 16)
	done := make(chan error, 1)
	s.Err = engine.Lines(func(line string) {
		var m message
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			m.Error = line // of the runtime, such as a panic
		}
		messages <- m
	})
	go func() {
		done <- e.Attend(ctx, o, s)
		close(messages)
	}()
	var failed error
	for m := range messages {
		if m.Error != "" {
			said = m.Error
		} else if failed == nil {
			if failed = hear(m); failed != nil {
				cancel(failed)
			}
		}
	}
	err := <-done
	switch {
	case failed != nil:
		return failed
	case err != nil && ctx.Err() == nil && said != "":
		return exit.Errorf(exit.Code(err), "%s", said)
	}
	if ended, is := errors.AsType[*engine.EndedError](err); is && ended.Killed() {
		return exit.Errorf(exit.Temporary, "the helper in the volume was killed (exit code %d), as by a restart of convex, or for its memory: run the same command again", ended.Code)
	}
	return err
}

// endHelpers ends and removes those that a killed tale has left in a volume: no two write
// there or hold the same processes, and one that was never started does not remove itself.
func endHelpers(ctx context.Context, e *engine.Engine, volume string) error {
	all, err := e.Everything(ctx)
	for _, c := range all {
		if c.Labels[LabelVolume] != volume {
			continue
		}
		if c.State.Running {
			err = errors.Join(err, e.Stop(ctx, c.ID, time.Second))
		}
		err = errors.Join(err, e.Remove(ctx, c.ID))
	}
	return err
}
