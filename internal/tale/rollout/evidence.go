package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/compose"
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
	containers, unseen := r.Engine.Containers(ctx, compose.Projects(r.plan.Project)...)
	e.stack, e.beside.Containers = r.stack(), containers
	lines, unread := r.logOf(ctx, c)
	e.Failed, e.Lines, e.unread = account(lines), last(lines, mostLogLines), unread
	if failure := e.report.Failure; len(lines) == 0 && failure != nil { // which its log would say
		e.Failed = strings.Split(failure.Text(), "\n")
	}
	if unseen != nil {
		return "", unseen
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
	folder := []string{"failed", time.Now().UTC().Format("20060102T150405Z")}
	keep := func(text []byte, ending string) error {
		return r.Project.Write(append(text, '\n'), append(slices.Clone(folder), c.Name+ending)...)
	}
	err = keep(inspected, ".json")
	if unread == nil || len(lines) > 0 {
		err = errors.Join(err, keep([]byte(strings.Join(lines, "\n")), ".log"))
	}
	if len(e.report.Stages) > 0 {
		text, wrong := json.MarshalIndent(e.report, "", "  ")
		err = errors.Join(err, wrong, keep(text, ".report.json"))
	}
	return r.Project.Path(folder...), err
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
