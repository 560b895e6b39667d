package convexcli

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// TestOutputHidesASecretThatALinesPiecesShare splits a long line within a secret,
// as the reader of the CLI's output does, while the other stream goes on.
func TestOutputHidesASecretThatALinesPiecesShare(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	for cut := 1; cut < len(secret); cut++ {
		o := NewOutput(slog.New(slog.DiscardHandler), redact.New(map[string]string{"S": secret}), func() backend.Stage { return backend.StageBundle }, strings.NewReplacer())
		o.Keep(supervise.Stdout, []byte(strings.Repeat("-", supervise.MaxLine-cut)+secret[:cut]))
		o.Keep(supervise.Stderr, []byte("something else"))
		o.Keep(supervise.Stdout, []byte(secret[cut:]+" done"))
		evidence := o.Evidence()
		if len(evidence) != 3 || evidence[2] != "[S] done" {
			t.Errorf("cut at %d: %q", cut, evidence[1:])
		}
		if shown := strings.TrimLeft(evidence[0], "-"); cut > 4 && shown != "[S]" {
			t.Errorf("cut at %d: %q", cut, shown)
		}
	}
}
