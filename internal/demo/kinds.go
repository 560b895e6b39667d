package demo

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
)

//go:embed kinds.mjs
var kindsScript []byte

// kindsLimit is for modules that do something while they are loaded.
const kindsLimit = 20 * time.Second

// countKinds returns how many functions of each kind the push request has, in
// words. The backend's own count is one number, and the simulator has none.
func countKinds(ctx context.Context, request string, own config.Environ) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, kindsLimit)
	defer cancel()
	// Below the app's packages, which modules for Node.js may need.
	folder, err := os.MkdirTemp(filepath.Dir(request), "kinds-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	script := filepath.Join(folder, "kinds.mjs")
	if err := os.WriteFile(script, kindsScript, 0o600); err != nil {
		return "", err
	}
	count := exec.CommandContext(ctx, "node", script, request, folder)
	count.Env = own.List()
	out, err := count.Output()
	if err != nil {
		return "", fmt.Errorf("cannot load the functions: %w", thrown(err))
	}
	var counts map[string]int
	if err := json.Unmarshal(out, &counts); err != nil {
		return "", fmt.Errorf("cannot count the functions: %w", err)
	}
	return kindsText(counts), nil
}

// thrown returns what Node.js has printed of an exception, which is between an excerpt of
// the bundle and the stack.
func thrown(err error) error {
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return err
	}
	for line := range strings.Lines(string(ended.Stderr)) {
		if name, _, found := strings.Cut(line, ": "); found && strings.HasSuffix(name, "Error") && !strings.Contains(name, " ") {
			return errors.New(strings.TrimSpace(line) + "; a backend with the same variables refuses them")
		}
	}
	return err
}

func kindsText(counts map[string]int) string {
	var parts []string
	for _, kind := range [][2]string{
		{"queries", "query"}, {"mutations", "mutation"}, {"actions", "action"}, {"internal", "internal"}, {"HTTP routes", "HTTP route"}, {"crons", "cron"},
	} {
		switch n := counts[kind[0]]; n {
		case 0:
		case 1:
			parts = append(parts, "1 "+kind[1])
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, kind[0]))
		}
	}
	return strings.Join(parts, ", ")
}
