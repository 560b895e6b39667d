package push

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/clidriver"
	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// One release takes some 250 starts of the CLI:
//
//	go test -run 'TheRealCLI/1.35.1/faults' -timeout 2h ./internal/push -args -full-matrix
var fullMatrix = flag.Bool("full-matrix", false, "every code at every stage with every release of the CLI, and not a few of them")

// canary must not appear in any text, nor in the arguments of any process.
const canary = "canary-3f9a71d2c6"

// realCLIMeetsFaults: what the stand-in of the CLI meets in TestFaultMatrix, the
// real one meets, too. A cell takes seconds, so that by default there are few.
func realCLIMeetsFaults(t *testing.T, app convexcli.Options, release, releases int) {
	cells := matrixCells()
	if !*fullMatrix {
		cells = fewCells(cells, release, releases)
	}
	for _, cell := range cells {
		t.Run(fmt.Sprintf("%s %s %d", cell.fault.Stage, cell.fault.Code, cell.fault.Status), func(t *testing.T) {
			realCell(t, app, cell)
		})
	}
}

// fewCells takes one cell of every other stage, and others for each release, so
// that each stage is met by half of them. A lost connection is not among them: the
// CLI tries again for half a minute.
func fewCells(all []matrixCell, release, releases int) []matrixCell {
	stages := map[string][]matrixCell{}
	for _, cell := range all {
		if cell.fault.Drop == "" {
			stages[cell.fault.Stage] = append(stages[cell.fault.Stage], cell)
		}
	}
	var few []matrixCell
	for i, stage := range slices.Sorted(maps.Keys(stages)) {
		if (i+release)%2 != 0 {
			continue
		}
		cells := stages[stage]
		few = append(few, cells[len(cells)*release/releases])
	}
	return few
}

func realCell(t *testing.T, app convexcli.Options, cell matrixCell) {
	if cell.fault.Status != 0 && cell.fault.Message == "" && cell.fault.Code != "" {
		cell.fault.Message = "said near " + canary
	}
	d := realDeploy(t, app, cell.fault)
	d.Secrets = map[string]string{"CANARY": canary}
	d.CLI.Environ = append(slices.Clone(app.Environ), "A_CANARY="+canary)
	d.Options.run = func(ctx context.Context, log *slog.Logger, p supervise.Process) (clidriver.End, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		looked := make(chan string, 1)
		go func() { looked <- findInArguments(ctx, canary, d.sim.AdminKey()) }()
		status, err := supervise.Run(ctx, log, p)
		cancel()
		if found := <-looked; found != "" {
			t.Errorf("a secret in the arguments of a process: %s", found)
		}
		return clidriver.EndOf(status), err
	}
	met := d.failure(t)
	cell.fault.Message = strings.ReplaceAll(cell.fault.Message, canary, "[CANARY]")
	d.checkCell(t, cell.fault, cell.row, met)
	if retried := met.Diagnosis.Retry != diagnosis.RetryNo; retried != cell.row.retry {
		t.Errorf("retried %v: %+v", retried, met.Diagnosis)
	}
	text := d.log.String() + strings.Join(met.Lines(), "\n") + fmt.Sprintf("%+v", d.report)
	for name, secret := range map[string]string{"the canary": canary, "the admin key": d.sim.AdminKey()} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in what was written:\n%s", name, text)
		}
	}
	if lines := met.Lines(); len(lines) > 25 {
		t.Errorf("%d lines", len(lines))
	}
}

// findInArguments looks at the arguments of all processes until ctx ends.
func findInArguments(ctx context.Context, secrets ...string) string {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range processes {
			line, _ := os.ReadFile(file) // of a process that may be gone
			for _, secret := range secrets {
				if bytes.Contains(line, []byte(secret)) && !bytes.Contains(line, []byte("convex-local-backend")) {
					return string(line)
				}
			}
		}
		select {
		case <-ctx.Done():
			return ""
		case <-ticker.C:
		}
	}
}
