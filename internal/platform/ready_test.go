package platform

import (
	"errors"
	"strings"
	"testing"
	"time"
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
