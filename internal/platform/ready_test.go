package platform

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestAPauseThatIsShort is not said to be none.
func TestAPauseThatIsShort(t *testing.T) {
	for pause, want := range map[time.Duration]string{470 * time.Millisecond: "in 500ms;", 1040 * time.Millisecond: "in 1s;"} {
		w := &webWatch{}
		w.restarts(errors.New("web ended"), pause)
		if !strings.HasPrefix(w.ended, "web ended; it is started again "+want) {
			t.Errorf("%s: %s", pause, w.ended)
		}
	}
}

// TestWhatASilentWebServerNeeds: one that was healthy listens where it should.
func TestWhatASilentWebServerNeeds(t *testing.T) {
	w := &webWatch{wasReady: make(chan struct{})}
	if fix := w.fixSilence(); !strings.HasPrefix(fix, "it must listen on PORT") {
		t.Error(fix)
	}
	close(w.wasReady)
	if fix := w.fixSilence(); strings.Contains(fix, "PORT") || !strings.HasPrefix(fix, "read its last lines; ") {
		t.Error(fix)
	}
}

func TestDescribeAppFolder(t *testing.T) {
	folder := t.TempDir()
	if got := describeAppFolder(folder); got != folder+" (CONVEX_APP_DIR), which is empty: a volume or a folder of the host that is mounted there hides the app" {
		t.Error(got)
	}
	testkit.WriteTree(t, folder, map[string]string{"package.json": "{}"})
	if got := describeAppFolder(folder); got != folder+" (CONVEX_APP_DIR)" {
		t.Error(got)
	}
}
