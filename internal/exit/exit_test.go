package exit_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
)

func TestCode(t *testing.T) {
	cause := errors.New("refused")
	inner := exit.With(exit.Unavailable, cause)
	tests := map[string]struct {
		err  error
		want int
	}{
		"nil":                {nil, 0},
		"plain":              {cause, exit.Failure},
		"attached":           {inner, exit.Unavailable},
		"wrapped":            {fmt.Errorf("cannot wait: %w", inner), exit.Unavailable},
		"outer wins":         {exit.With(exit.Config, inner), exit.Config},
		"joined":             {errors.Join(cause, inner), exit.Unavailable},
		"formatted":          {exit.Errorf(exit.Usage, "unknown %q", "x"), exit.Usage},
		"nil stays no error": {exit.With(exit.Config, nil), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := exit.Code(tt.err); got != tt.want {
				t.Errorf("Code(%v) = %d, want %d", tt.err, got, tt.want)
			}
		})
	}
	if !errors.Is(inner, cause) {
		t.Error("the cause is not reachable through an attached code")
	}
}
