package convexcli

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/release"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// runtimeFor returns what runs the file: nothing for a program, bun or node for
// a script that asks for node. Such a script need not be executable.
func runtimeFor(path string, o Options) (string, error) {
	script, err := isNodeScript(path)
	if err != nil {
		return "", exit.Errorf(exit.NotExecutable, "cannot read the convex CLI: %w", err)
	}
	if !script {
		if _, err := exec.LookPath(path); err != nil {
			return "", exit.Errorf(exit.NotExecutable, "cannot execute the convex CLI %s: %w", path, errors.Unwrap(err))
		}
		return "", nil
	}
	// Bundling takes bun half of node's time, and the requests are the same to the byte.
	for _, name := range []string{"bun", "node"} {
		if runtime, err := lookPath(name, o.Environ); err == nil {
			return runtime, nil
		}
	}
	return "", exit.Errorf(exit.NotFound, "cannot run the convex CLI %s: neither bun nor node is in PATH", path)
}

func isNodeScript(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	first, _ := bufio.NewReaderSize(file, 256).ReadString('\n')
	if strings.HasPrefix(first, "#!") {
		return strings.Contains(first, "node") || strings.Contains(first, "bun"), nil
	}
	switch filepath.Ext(path) {
	case ".js", ".cjs", ".mjs":
		return true, nil
	}
	return false, nil
}

// String says which CLI it is and what runs it.
func (c cli) String() string {
	text := strings.TrimSpace("convex " + c.Label)
	if c.runtime == "" {
		return text + ": " + c.argv[0]
	}
	return text + ", run by " + c.runtime
}

// Check returns an error if the CLI is newer than what would run it. Without it the
// CLI says so itself at best; at worst it ends with a stack trace, because a module
// that it loads first misses something.
func (c cli) Check(ctx context.Context) error {
	least, err := release.Parse(strings.TrimPrefix(c.node, ">="))
	if c.runtime == "" || err != nil {
		return nil //nolint:nilerr // a program brings its own runtime; an old package demands nothing
	}
	var said string
	// bun answers with the release of Node.js that it stands for.
	_, err = supervise.Run(ctx, logging.Discard(), supervise.Process{
		Name: "runtime", Argv: []string{c.runtime, "-p", "process.versions.node"}, Env: c.options.Environ,
		Line: func(stream supervise.Stream, line []byte) {
			if stream == supervise.Stdout {
				said = string(line)
			}
		},
	})
	if err != nil {
		return err
	}
	present, err := release.Parse(said)
	if err != nil || !present.Before(least) {
		return nil //nolint:nilerr // one that does not answer explains itself when it runs the CLI
	}
	return exit.Errorf(exit.NotExecutable, "convex %s needs Node.js %s; this is %s (%s)",
		c.Label, strings.TrimSuffix(strings.TrimSuffix(least.String(), ".0"), ".0"), said, c.runtime)
}
