package engine

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// Events reports what happens to the containers of some compose projects from now on, or
// from since, if that is not zero. It has subscribed when it returns: what is listed
// afterwards is not older than the first event. One error comes when the stream ends,
// then both channels are closed; taking it up again is the caller's.
func (e *Engine) Events(ctx context.Context, since time.Time, projects ...string) (<-chan Event, <-chan error) {
	options := client.EventsListOptions{Filters: client.Filters{}.Add("type", "container").Add("label", LabelComposeProject).
		Add("event", "start", "die", "oom", "kill", "stop", "destroy", "pause", "unpause", "health_status")}
	out, errs := make(chan Event, 64), make(chan error, 1)
	if since.IsZero() {
		// Engines answer before they subscribe; what happens in between is in their
		// memory, which since asks for, by their clock.
		info, err := ask(ctx, e, patience, "ask the engine for its time", e.api.Info, client.InfoOptions{})
		if err != nil {
			errs <- err
			close(errs)
			close(out)
			return out, errs
		}
		since = instant(info.Info.SystemTime)
	}
	options.Since = seconds(since)
	ctx, opened, cancel := opening(ctx)
	stream := e.api.Events(ctx, options)
	opened()
	go func() {
		defer close(errs)
		defer close(out)
		defer cancel(nil)
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
			return e.failed(ctx, "follow the events", err)
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
