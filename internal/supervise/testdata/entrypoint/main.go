// Command entrypoint supervises two sleeping services, so that a test can
// weigh a supervisor without the race detector.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

func main() { os.Exit(exit.Code(run())) }

func run() error {
	log := logging.New(logging.NewWriter(os.Stdout), logging.FormatConsole, slog.LevelInfo)
	ctx, release := supervise.StopContext(context.Background(), log)
	defer release()
	sleeper := supervise.Process{Name: "sleeper", Argv: []string{"sleep", "1000"}, Env: os.Environ()}
	probed := supervise.Service{Process: sleeper, Critical: true, Ready: func(context.Context) error {
		_, err := os.Stat("/")
		return err
	}}
	return supervise.New(log).Run(ctx, probed, supervise.Service{Process: sleeper})
}
