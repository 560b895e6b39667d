// Command stoppable gives up root as its argument, a privilege.Drop in JSON,
// says, and waits for a stop, which may come at any moment.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"

	"github.com/tale-project/tale-runtime/internal/entrypoint/privilege"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

func main() { os.Exit(exit.Code(run())) }

func run() error {
	log := logging.New(os.Stdout, logging.FormatConsole, slog.LevelInfo)
	ctx, release := supervise.StopContext(context.Background(), log)
	defer release()
	var drop privilege.Drop
	if err := json.Unmarshal([]byte(os.Args[1]), &drop); err != nil {
		return exit.With(exit.Usage, err)
	}
	log.Info("listening")
	if err := drop.Apply(ctx, log); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	return nil
}
