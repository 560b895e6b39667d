package certstore

import (
	"testing"
	"time"
)

func TestStateInWords(t *testing.T) {
	next := time.Date(2026, 1, 1, 12, 30, 0, 0, time.UTC)
	for want, s := range map[string]State{
		"a has a certificate": {Name: "a", Certified: true},
		"there is no certificate for a and none is being got":                                              {Name: "a"},
		"a certificate for a is being got":                                                                 {Name: "a", Underway: true},
		"a certificate for a is being got; the last attempt failed: refused; next attempt at 12:30:00":     {Name: "a", Underway: true, Reason: "refused", Next: next},
		"a certificate for a is being got; the authority has not finished within 30s (it may still do so)": {Name: "a", Underway: true, Reason: "the authority has not finished within 30s (it may still do so)"},
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
