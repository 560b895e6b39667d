package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// pushAgain runs a further push beside the platform; it must find everything
// as it should be.
func (s *stack) pushAgain(ctx context.Context) (string, error) {
	folder, err := s.environment.folder.sub("run", "push")
	if err != nil {
		return "", err
	}
	log, err := openServiceLog(s.environment.folder, "push", s.screen.relay(s.environment.options.Verbose, "push"))
	if err != nil {
		return "", err
	}
	defer log.close()
	ended, err := supervise.Run(ctx, logging.Discard(), supervise.Process{
		Name: "push", Argv: []string{filepath.Join(s.environment.options.Bin, "platform-entrypoint"), "push"},
		Env: s.environment.pushAgain().List(), Line: log.line,
		Stop: []supervise.StopStep{{Signal: syscall.SIGTERM, Wait: stopPatience}},
	})
	if err != nil {
		return "", err
	}
	if !ended.Success() {
		return "", log.explain(fmt.Errorf("the push ended with %s", ended))
	}
	document, err := readReport(filepath.Join(folder, "platform-report.json"))
	if err != nil {
		return "", err
	}
	return unchanged(document)
}

func readReport(path string) (document report.Document, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return document, fmt.Errorf("cannot read the boot report: %w", err)
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return document, fmt.Errorf("cannot read the boot report %s: %w", path, err)
	}
	return document, nil
}

// unchanged tells whether a push changed neither variables nor functions.
func unchanged(document report.Document) (string, error) {
	env, deploy := document.Env, document.Deploy
	if env == nil || deploy == nil {
		return "", fmt.Errorf("the boot report says nothing about the push: %+v", document)
	}
	if env.New+env.Updated+env.Removed != 0 || env.Unchanged != env.Declared {
		return "", fmt.Errorf("the variables changed: %s", envText(env))
	}
	if deploy.Skipped == "" && deploy.Changed != 0 {
		return "", fmt.Errorf("functions were sent: %s", deployText(deploy))
	}
	return fmt.Sprintf("%d variables unchanged; %s", env.Unchanged, deployText(deploy)), nil
}
