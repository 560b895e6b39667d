package supervise

import "testing"

func TestEscalationIsCountedWhileNothingWaits(t *testing.T) {
	var h escalation
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
