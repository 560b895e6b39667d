package processlimit

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

func TestJudge(t *testing.T) {
	for name, tt := range map[string]struct {
		limit  uint64
		known  bool
		fails  bool
		logged bool
	}{
		"nothing can run":     {limit: 8, known: true, fails: true},
		"a little too low":    {limit: FewestWithChildren - 1, known: true, fails: true},
		"enough for one":      {limit: FewestWithChildren, known: true, logged: true},
		"not for children":    {limit: enough - 1, known: true, logged: true},
		"enough":              {limit: enough, known: true},
		"no limit is known":   {limit: 0},
		"a usual one of 2048": {limit: 2048, known: true},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			err := judge(slog.New(slog.NewTextHandler(&log, nil)), FewestWithChildren, func() (uint64, bool) { return tt.limit, tt.known })
			if tooLow := errors.As(err, new(*TooLowError)); tooLow != tt.fails || (err != nil) != tt.fails {
				t.Errorf("got %v", err)
			}
			if logged := strings.Contains(log.String(), place.Here().ProcessLimit()); logged != tt.logged {
				t.Errorf("the log has %q", log.String())
			}
		})
	}
}

func TestReport(t *testing.T) {
	tooLow := &TooLowError{8, FewestAlone}
	failure := tooLow.Report()
	if exit.Code(tooLow) != exit.Config {
		t.Errorf("exit code %d", exit.Code(tooLow))
	}
	if failure.ExitCode != exit.Config || !strings.Contains(failure.Message, "8 processes and threads, and 12 are") || !strings.Contains(failure.Fix[0], place.Here().ProcessLimit()) {
		t.Errorf("got %+v", failure)
	}
}
