package config_test

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

func TestNearest(t *testing.T) {
	known := []string{"deploy", "dry-run", "db", "services"}
	for name, want := range map[string]string{
		"deply": "deploy", "Deploy": "deploy", "dryrun": "dry-run", "sevices": "services", "bd": "db", "nothing": "", "": "",
	} {
		if got := config.Nearest(name, known); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
