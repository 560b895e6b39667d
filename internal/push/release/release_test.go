package release_test

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/push/release"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]release.Version{"1.35.1": {1, 35, 1}, "1.36.0-alpha.1": {1, 36, 0}} {
		if got, err := release.Parse(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1.35", "1.35.1.2", "1.x.1", "1.-2.3", "v1.2.3"} {
		if got, err := release.Parse(text); err == nil {
			t.Errorf("%q is taken as %s", text, got)
		}
	}
}

func TestBefore(t *testing.T) {
	older, newer := release.Version{1, 9, 9}, release.Version{1, 10, 0}
	if !older.Before(newer) || newer.Before(older) || newer.Before(newer) {
		t.Errorf("%s and %s are in the wrong order", older, newer)
	}
}
