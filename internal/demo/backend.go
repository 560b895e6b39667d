package demo

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/demo/official"
)

// backend is what the demo runs for Convex.
type backend struct {
	argv []string
	name string // as the summary has it
	runs bool   // runs functions
	sim  bool   // is the simulator, with what it runs functions with
}

// running returns the simulator with what it runs functions with.
func (b backend) running(packages string) backend {
	b.argv = append(b.argv, "--runner", packages)
	b.runs, b.sim = true, true
	return b
}

// String says what it is and does.
func (b backend) String() string {
	if b.runs {
		return b.name + "; functions run"
	}
	return b.name + "; functions do NOT run"
}

// leavesOut says what it does not run of functions of these kinds; "" for nothing.
func (b backend) leavesOut(kinds string) string {
	if b.sim && strings.Contains(kinds, "cron") {
		return "crons do NOT run in the simulator (BACKEND=real runs them)"
	}
	return ""
}

// command returns it as one line for a setting.
func (b backend) command() string {
	words := make([]string, len(b.argv))
	for i, word := range b.argv {
		words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}

func findBackend(ctx context.Context, screen *screen, o options, own config.Environ) (backend, error) {
	if o.Backend == "" {
		return backend{argv: []string{filepath.Join(o.Bin, "convex-sim")}, name: "convex-sim, a simulator"}, nil
	}
	began := time.Now()
	finder := official.New(own["HOME"], cacheFolder(own), func(done, total int64) {
		screen.doing("convex", "download", fmt.Sprintf("%s of %s", megabytes(done), megabytes(total)))
	})
	found, err := finder.Find(ctx, o.Backend)
	if err != nil {
		return backend{}, err
	}
	screen.row("convex", "official", time.Since(began), found.Path)
	return backend{argv: []string{found.Path}, name: found.Name, runs: true}, nil
}

func megabytes(n int64) string {
	if n < 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// cacheFolder returns where programs of the user keep what they can get again.
func cacheFolder(own config.Environ) string {
	return cmp.Or(own["XDG_CACHE_HOME"], filepath.Join(own["HOME"], ".cache"))
}
