package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// pushAgain runs a further push beside the platform; it must find everything
// as it should be, and leave it so.
func (s *stack) pushAgain(ctx context.Context, v *site.Visitor) (string, error) {
	before, err := moduleHashes(ctx, v)
	if err != nil {
		return "", err
	}
	document, err := s.push(ctx)
	if err != nil {
		return "", err
	}
	after, err := moduleHashes(ctx, v)
	if err != nil {
		return "", err
	}
	if before != after {
		return "", fmt.Errorf("the modules in the deployment changed from %s to %s", before, after)
	}
	return unchanged(document)
}

func (s *stack) push(ctx context.Context) (document report.Document, err error) {
	folder, err := s.environment.folder.sub("run", "push")
	if err != nil {
		return document, err
	}
	log, err := openServiceLog(s.environment.folder, "push", s.screen.relay(s.environment.options.Verbose, "push"))
	if err != nil {
		return document, err
	}
	defer log.close()
	ended, err := supervise.Run(ctx, logging.Discard(), supervise.Process{
		Name: "push", Argv: []string{filepath.Join(s.environment.options.Bin, "platform-entrypoint"), "push"},
		Env: s.environment.pushAgain().List(), Line: log.line,
		Stop: []supervise.StopStep{{Signal: syscall.SIGTERM, Wait: stopPatience}},
	})
	if err != nil {
		return document, err
	}
	if !ended.Success() {
		return document, log.explain(fmt.Errorf("the push ended with %s", ended))
	}
	return readReport(filepath.Join(folder, "platform-report.json"))
}

// moduleHashes asks the backend which modules it has.
func moduleHashes(ctx context.Context, v *site.Visitor) (string, error) {
	header := v.AdminHeader()
	body, err := json.Marshal(map[string]string{"version": site.ClientVersion, "adminKey": strings.TrimPrefix(header["Authorization"], "Convex ")})
	if err != nil {
		return "", err
	}
	header["Content-Type"] = "application/json"
	got, err := v.Ask(ctx, site.Request{Method: http.MethodPost, URL: "/api/get_config_hashes", Header: header, Body: body})
	if err != nil {
		return "", err
	}
	if err := got.Want(http.StatusOK); err != nil {
		return "", err
	}
	var deployed struct{ ModuleHashes []struct{ Path, Hash string } }
	if err := json.Unmarshal(got.Body, &deployed); err != nil || len(deployed.ModuleHashes) == 0 {
		return "", fmt.Errorf("the deployment has no modules: %.200q", got.Body)
	}
	slices.SortFunc(deployed.ModuleHashes, func(a, b struct{ Path, Hash string }) int { return strings.Compare(a.Path, b.Path) })
	return fmt.Sprint(deployed.ModuleHashes), nil
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

// unchanged returns what a push left as it was, or an error if it changed variables
// or functions.
func unchanged(document report.Document) (string, error) {
	env, deploy, err := pushOf(document)
	if err != nil {
		return "", err
	}
	if env == nil || deploy == nil {
		return "", fmt.Errorf("the boot report says nothing about the push: %+v", document)
	}
	if env.New+env.Updated+env.Removed != 0 || env.Unchanged != env.Declared {
		return "", fmt.Errorf("the variables changed: %s", envText(env))
	}
	if deploy.Skipped == "" && deploy.Changed != nil && *deploy.Changed != 0 {
		return "", fmt.Errorf("functions were sent: %s", deployText(deploy))
	}
	return fmt.Sprintf("%d variables unchanged; %s", env.Unchanged, deployText(deploy)), nil
}
