package testkit

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// WantError checks an exit code and words that a message must have.
func WantError(t testing.TB, err error, code int, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want exit code %d", code)
	}
	if got := exit.Code(err); got != code {
		t.Errorf("exit code %d, want %d: %v", got, code, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("nothing says %q in: %v", word, err)
		}
	}
}
