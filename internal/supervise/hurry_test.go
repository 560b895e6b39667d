package supervise

import "testing"

func TestHurryIsCountedWhileNobodyWaits(t *testing.T) {
	var h hurry
	seen := h.seen()
	h.up()
	select {
	case <-h.beyond(seen):
	default:
		t.Error("a request was lost")
	}
	select {
	case <-h.beyond(h.seen()):
		t.Error("the same request counted twice")
	default:
	}
}
