package convexcli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// The credentials that a request is written with. They end up in the file; a push
// replaces them.
const (
	placeholderURL = "http://127.0.0.1:9" // nothing is asked there
	placeholderKey = "nobody|00"
)

// WriteRequest lets the app's convex CLI bundle the functions into a push request
// at path. Nothing is contacted. It is for the image build.
func WriteRequest(ctx context.Context, log *slog.Logger, o Options, path string) error {
	cli, err := Find(o)
	if err != nil {
		return err
	}
	if err := cli.Check(ctx); err != nil {
		return err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	// The CLI adds the suffix itself, and leaves an old file alone when it fails.
	written := strings.TrimSuffix(path, ".json") + ".json"
	if err := errors.Join(removed(path), removed(written)); err != nil {
		return fmt.Errorf("cannot replace the push request: %w", err)
	}
	output := NewOutput(log, nil, func() backend.Stage { return backend.StageBundle }, strings.NewReplacer(placeholderURL, "(nowhere)"))
	process := cli.Process(placeholderURL, placeholderKey, nil,
		"deploy", "--write-push-request", strings.TrimSuffix(path, ".json"), "--push-all-modules", "--codegen", "disable", "--typecheck", "disable")
	// What it prints claims a deployment, so it is shown after a failure only.
	process.Line = func(stream supervise.Stream, line []byte) { output.Keep(stream, line) }
	status, err := supervise.Run(ctx, log, process)
	if err != nil {
		return err
	}
	if _, missing := os.Stat(written); missing != nil || !status.Success() {
		return fmt.Errorf("cannot bundle the functions of %s: the convex CLI ended with %s:\n%s", o.AppDir, status, strings.Join(output.Evidence(), "\n"))
	}
	return os.Rename(written, path)
}

func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
