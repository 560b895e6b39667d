package stack

import "testing"

func TestBackendAnswers(t *testing.T) {
	for version, want := range map[string]string{"": "answers", UnknownVersion: "answers", "1.2.3": "answers, version 1.2.3"} {
		if got := BackendAnswers(version); got != want {
			t.Errorf("%q: %q, want %q", version, got, want)
		}
	}
}
