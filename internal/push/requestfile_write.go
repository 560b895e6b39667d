package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tale-project/tale-runtime/internal/supervise"
)

// The credentials that a request is written with. They end up in the file; who
// pushes it puts real ones in.
const (
	placeholderURL = "http://127.0.0.1:9" // nothing is asked there
	placeholderKey = "nobody|00"
)

// WriteRequest lets the app's convex CLI bundle the functions into the file, and
// writes the index beside it. Nothing is contacted. It is for the image build.
func WriteRequest(ctx context.Context, log *slog.Logger, o CLIOptions, path string) (RequestSummary, error) {
	cli, err := findCLI(o)
	if err != nil {
		return RequestSummary{}, err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return RequestSummary{}, err
	}
	// The CLI adds the suffix itself, and leaves an old file alone when it fails.
	written := strings.TrimSuffix(path, ".json") + ".json"
	if err := errors.Join(removed(path), removed(written), removed(IndexPath(path))); err != nil {
		return RequestSummary{}, fmt.Errorf("cannot replace the push request: %w", err)
	}
	output := newCLIOutput(log, nil, func() Stage { return StageBundle }, strings.NewReplacer(placeholderURL, "(nowhere)"))
	process := cli.process(placeholderURL, placeholderKey, nil,
		"deploy", "--write-push-request", strings.TrimSuffix(path, ".json"), "--push-all-modules", "--codegen", "disable", "--typecheck", "disable")
	// What it prints claims a deployment, so it is shown after a failure only.
	process.Line = func(stream supervise.Stream, line []byte) { output.keep(stream, line) }
	status, err := supervise.Run(ctx, log, process)
	if err != nil {
		return RequestSummary{}, err
	}
	if _, missing := os.Stat(written); missing != nil || !status.Success() {
		return RequestSummary{}, fmt.Errorf("cannot bundle the functions of %s: the convex CLI ended with %s:\n%s", o.AppDir, status, strings.Join(output.evidence(), "\n"))
	}
	if err := os.Rename(written, path); err != nil {
		return RequestSummary{}, err
	}
	if _, err := WriteRequestIndex(path); err != nil {
		return RequestSummary{}, err
	}
	return CheckRequest(path)
}

func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
