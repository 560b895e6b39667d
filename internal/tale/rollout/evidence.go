package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// mostEvidence is how much of a container's log is kept, in lines.
const mostEvidence = 5000

// evidenceLimit is how long an engine that hangs may keep what failed from being taken back.
const evidenceLimit = 30 * time.Second

// keepEvidence writes down what is known of the containers of a run that failed, and returns
// what there is to say of it, unless the failure says it itself.
func (r *rollout) keepEvidence(ctx context.Context, cause error, fresh []engine.Container) (notes []string) {
	ctx, cancel := context.WithTimeout(ctx, evidenceLimit)
	defer cancel()
	folder := []string{"failed", time.Now().UTC().Format("20060102T150405Z")}
	path := r.Project.Path(folder...)
	var notReady *NotReadyError
	var err error
	switch {
	case errors.As(cause, &notReady):
		if err = r.evidence(ctx, folder, notReady); err == nil {
			notReady.Folder = path
		}
	case len(fresh) > 0 && !errors.Is(cause, context.Canceled):
		if proxy, there, unseen := r.proxy(ctx); there && unseen == nil { // which knows why it was not content
			fresh = append(slices.Clone(fresh), proxy)
		}
		for _, c := range fresh {
			lines, unread := r.logOf(ctx, c)
			err = errors.Join(err, r.keep(folder, c, cause, lines, unread))
		}
		if err == nil {
			notes = []string{"evidence " + path}
		}
	}
	if err != nil {
		r.note("", fmt.Sprintf("the evidence could not be kept: %v", err))
	}
	return notes
}

// evidence writes down what is known of a container that did not become ready, its last boot
// report as well. It fills in what the account of the failure shows of the log, and the
// containers that it names.
func (r *rollout) evidence(ctx context.Context, folder []string, e *NotReadyError) error {
	containers, unseen := r.Engine.Containers(ctx, compose.Projects(r.plan.Project)...)
	e.stack, e.beside.Containers = r.stack(), containers
	lines, unread := r.logOf(ctx, e.container)
	e.Failed, e.Lines, e.unread = account(lines), last(lines, mostLogLines), unread
	if failure := e.report.Failure; len(lines) == 0 && failure != nil { // which its log would say
		e.Failed = strings.Split(failure.Text(), "\n")
	}
	if unseen != nil {
		return unseen
	}
	err := r.keep(folder, e.container, e, lines, unread)
	if len(e.report.Stages) > 0 {
		text, wrong := json.MarshalIndent(e.report, "", "  ")
		err = errors.Join(err, wrong, r.write(folder, e.container.Name+".report.json", text))
	}
	return err
}

// keep writes down how the engine sees a container, without the values of its settings, and
// its log.
func (r *rollout) keep(folder []string, c engine.Container, verdict error, lines []string, unread error) error {
	settings := slices.Sorted(maps.Keys(c.Environment))
	c.Environment = nil
	seen := struct {
		engine.Container
		Settings []string // names
		Verdict  string
	}{c, settings, verdict.Error()}
	text, err := json.MarshalIndent(seen, "", "  ")
	if err == nil {
		err = r.write(folder, c.Name+".json", text)
	}
	if unread == nil || len(lines) > 0 {
		err = errors.Join(err, r.write(folder, c.Name+".log", []byte(strings.Join(lines, "\n"))))
	}
	return err
}

func (r *rollout) write(folder []string, name string, text []byte) error {
	return r.Project.Write(append(text, '\n'), append(slices.Clone(folder), name)...)
}

func (r *rollout) logOf(ctx context.Context, c engine.Container) (lines []string, err error) {
	for line, err := range r.Engine.Logs(ctx, c.ID, engine.LogOptions{Tail: mostEvidence, Name: c.Name}) {
		if err != nil {
			return lines, err
		}
		lines = append(lines, line.Text)
	}
	return lines, nil
}
