package supervise

import (
	"context"
	"log/slog"
)

// Run runs one command to its end. When ctx ends first, the command is stopped
// by its steps and the error is the cause of ctx's end; a command that cannot
// be started is an error with code 126 or 127. A command that fails is no
// error: look at the Status.
func Run(ctx context.Context, log *slog.Logger, p Process) (Status, error) {
	if err := context.Cause(ctx); err != nil {
		return Status{}, err
	}
	c, err := Start(log, p)
	if err != nil {
		return Status{}, err
	}
	select {
	case <-c.Done():
		return c.Status(), nil
	case <-ctx.Done():
		return c.Stop(context.WithoutCancel(ctx)), context.Cause(ctx)
	}
}
