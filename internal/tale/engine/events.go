package engine

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Events reports what happens to the containers of some compose projects from now on, or
// from since, if that is not zero. It has subscribed when it returns: what is listed
// afterwards is not older than the first event. One error comes when the stream ends,
// then both channels are closed; taking it up again is the caller's.
func (e *Engine) Events(ctx context.Context, since time.Time, projects ...string) (<-chan Event, <-chan error) {
	options := client.EventsListOptions{Filters: client.Filters{}.Add("type", "container").Add("label", LabelComposeProject).
		Add("event", "start", "die", "oom", "kill", "stop", "destroy", "pause", "unpause", "health_status")}
	if !since.IsZero() {
		options.Since = seconds(since)
	}
	stream := e.api.Events(ctx, options)
	out, errs := make(chan Event, 64), make(chan error, 1)
	go func() {
		defer close(errs)
		defer close(out)
		errs <- e.forward(ctx, stream, out, projects)
	}()
	return out, errs
}

// forward passes events on until the stream ends, and says why it did.
func (e *Engine) forward(ctx context.Context, stream client.EventsResult, out chan<- Event, projects []string) error {
	for {
		select {
		case message := <-stream.Messages:
			if !slices.Contains(projects, message.Actor.Attributes[LabelComposeProject]) {
				continue
			}
			select {
			case out <- eventOf(message):
			case <-ctx.Done():
			}
		case err := <-stream.Err:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return exit.Errorf(exit.Unavailable, "the events of the Docker engine at %s ended: %w", e.host, err)
		}
	}
}

func eventOf(message events.Message) Event {
	event := Event{
		Container: message.Actor.ID, Name: message.Actor.Attributes["name"],
		Action: string(message.Action), Time: time.Unix(message.Time, 0),
	}
	if message.TimeNano != 0 {
		event.Time = time.Unix(0, message.TimeNano)
	}
	event.ExitCode, _ = strconv.Atoi(strings.TrimSpace(message.Actor.Attributes["exitCode"]))
	return event
}
