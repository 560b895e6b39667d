package project

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Who looks at a lock sees its holder and never keeps anybody from taking it.
func TestHeldSeesTheHolderAndTakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	if holder, held := heldAt(path); held {
		t.Errorf("held by %s, before there is a lock", holder)
	}
	self := Self("tale deploy")
	lock, err := acquire(t.Context(), path, self, 0, func(Holder) {})
	if err != nil {
		t.Fatal(err)
	}
	if holder, held := heldAt(path); !held || holder != self {
		t.Errorf("held %t by %s, want %s", held, holder, self)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if holder, held := heldAt(path); held {
		t.Errorf("held by %s, after the release", holder)
	}
}

// A process that was killed leaves its name in the file, and another may have its number.
func TestHeldKnowsTheKilled(t *testing.T) {
	if _, err := os.Stat("/proc/locks"); err != nil {
		t.Logf("without a list of locks the number decides: %v", err)
		return
	}
	path := filepath.Join(t.TempDir(), "x.lock")
	lock, err := acquire(t.Context(), path, Self("tale deploy"), time.Second, func(Holder) {})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o666); err != nil {
		t.Fatal(err)
	}
	if holder, held := heldAt(path); held {
		t.Errorf("held by %s, who has ended", holder)
	}
}
