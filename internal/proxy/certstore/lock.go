package certstore

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// lockFresh is how old the time in a lock may be before its holder is taken to be
// gone; certmagic renews it twice as often.
const lockFresh = 10 * time.Second

// locks removes those that no process holds any more. Certmagic does that with old
// ones only: one from the future, made before the clock was set back, it would wait
// for until then, and one that it cannot read ends the attempt for good.
func (h *healer) locks() error {
	locks, err := glob(h.Root, "locks/*.lock")
	for _, lock := range locks {
		reason := h.abandoned(lock)
		if reason == "" {
			continue
		}
		h.log.Info("removed a lock of the certificate store", "file", lock, "reason", reason)
		if removeErr := os.RemoveAll(lock); removeErr != nil {
			err = errors.Join(err, fmt.Errorf("cannot remove a lock that nothing holds: %w", removeErr))
		}
	}
	return err
}

// abandoned returns why a lock is not held, "" for one that may be, by another
// process on the same store.
func (h *healer) abandoned(lock string) string {
	var held struct{ Created, Updated time.Time }
	if err := readJSON(lock, &held); err != nil {
		return err.Error()
	}
	if held.Updated.IsZero() {
		held.Updated = held.Created
	}
	switch age := h.now.Sub(held.Updated); {
	case age > lockFresh:
		return "its holder is gone"
	case age < -lockFresh:
		return "it is from the future"
	}
	return ""
}
