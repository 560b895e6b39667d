package taletest

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
)

// Standing returns the containers of an engine that are no helpers.
func Standing(t *testing.T, server *enginetest.Server) (all []string) {
	t.Helper()
	containers, err := server.Connect(t, engine.Options{}).Everything(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		if !engine.IsHelper(c) {
			all = append(all, c.Name+" "+c.ID+" "+c.State.Status)
		}
	}
	return all
}
