package teardown_test

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
)

// TestCleanupSaysWhatStaysForAnotherProject: an old image is not left without a word.
func TestCleanupSaysWhatStaysForAnotherProject(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	line.Run(nil, "", "init", dir, "--services", "db", "--registry", "r.example/x").Expect(t, 0, "", "")
	server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-db:1.0.0"}})
	server.AddContainer(enginetest.Container{Name: "other-db", Image: "r.example/x/tale-db:2.0.0", Labels: map[string]string{engine.LabelProject: "other"}})
	environ := server.Environ(t)
	line.Run(environ, "", "cleanup", "--dry-run", "--project", dir).Expect(t, 0, "images of r.example/x/tale-db stay: the project other uses that repository, too", "")
}
