package health

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// What to do is no news while something starts as it should.
func TestAWaitThatLastsSaysWhatToDo(t *testing.T) {
	for waited, says := range map[time.Duration]bool{0: false, remindEvery: true} {
		var out bytes.Buffer
		p := progressLog{log: slog.New(slog.NewTextHandler(&out, nil)), what: "a push", began: time.Now().Add(-waited), fix: "push again"}
		p.tell(errors.New("nothing was ever pushed"), 1)
		if got := strings.Contains(out.String(), `fix="push again"`); got != says {
			t.Errorf("after %s the log has what to do: %t, want %t: %s", waited, got, says, &out)
		}
	}
}
