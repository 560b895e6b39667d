package engine_test

import (
	"errors"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
)

// TestCodesOfProgramsAreNotThoseOfTale: psql ends with 2 where tale would say that its
// operator declined.
func TestCodesOfProgramsAreNotThoseOfTale(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "db", Image: "x:1", Running: true})
	for _, code := range []int{1, 2, 3, 10, 11, exit.Usage, exit.Config, exit.Interrupted, 137, 255} {
		server.SetExec(func(string, []string, string) (string, string, int) { return "", "psql: error: gone", code })
		err := e.Stream(t.Context(), "db", []string{"psql"}, nil, engine.Streams{})
		ended, is := errors.AsType[*engine.EndedError](err)
		if !is || ended.Code != code || ended.Said != "psql: error: gone" || ended.Killed() != (code == 137 || code == exit.Interrupted || code == 255) {
			t.Errorf("%d: %+v", code, err)
		}
		if got := exit.Code(err); got != exit.Failure {
			t.Errorf("psql's %d is %d of tale", code, got)
		}
	}
}
