package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// mostEvidence is how much of a container's log is kept, in lines.
const mostEvidence = 5000

// evidence writes down what is known of a container that did not become ready: its log,
// how the engine sees it, without the values of its settings, and its last boot report.
// It returns the folder, and fills in what the account of the failure shows of the log, and
// the containers that it names.
func (r *rollout) evidence(ctx context.Context, e *NotReadyError) (string, error) {
	c := e.container
	containers, unseen := r.Engine.Containers(ctx, Projects(r.plan.Project)...)
	e.stack, e.beside.Containers = r.stack(), containers
	lines, err := r.logOf(ctx, c)
	e.Failed, e.Lines = account(lines), last(lines, mostLogLines)
	if err := errors.Join(unseen, err); err != nil {
		return "", err
	}
	folder := r.Project.Path("failed", time.Now().UTC().Format("20060102T150405Z"))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	c.Environment = nil
	seen := struct {
		engine.Container
		Settings []string // names
		Verdict  string
	}{c, slices.Sorted(maps.Keys(e.container.Environment)), e.Error()}
	inspected, err := json.MarshalIndent(seen, "", "  ")
	if err != nil {
		return "", err
	}
	return folder, errors.Join(
		atomicfile.Write(filepath.Join(folder, c.Name+".log"), []byte(strings.Join(lines, "\n")+"\n"), 0o600),
		atomicfile.Write(filepath.Join(folder, c.Name+".json"), append(inspected, '\n'), 0o600),
		r.keepReport(folder, e),
	)
}

func (r *rollout) keepReport(folder string, e *NotReadyError) error {
	if len(e.report.Stages) == 0 {
		return nil
	}
	text, err := json.MarshalIndent(e.report, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(folder, e.container.Name+".report.json"), append(text, '\n'), 0o600)
}

func (r *rollout) logOf(ctx context.Context, c engine.Container) (lines []string, err error) {
	for line, err := range r.Engine.Logs(ctx, c.ID, engine.LogOptions{Tail: mostEvidence}) {
		if err != nil {
			return lines, err
		}
		lines = append(lines, line.Text)
	}
	return lines, nil
}
