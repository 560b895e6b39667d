package signame_test

import (
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/signame"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"TERM": unix.SIGTERM, "SIGTERM": unix.SIGTERM, "sigint": unix.SIGINT, "kill": unix.SIGKILL, "1": unix.SIGHUP, "64": 64,
	} {
		if got, err := signame.Parse(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": `unknown signal ""`, "SIGFOO": "use a name such as TERM", "0": "from 1 to 64, not 0", "65": "not 65", "-9": "not -9",
	} {
		if got, err := signame.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v; want %q", text, got, err, want)
		}
	}
}
