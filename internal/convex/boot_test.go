package convex

import (
	"cmp"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/logging"
)

// A build without a version shows what it is: as the platform's status does.
func TestVersionOfABuildWithoutOne(t *testing.T) {
	for _, set := range []string{"", "1.2.3"} {
		b := newBoot(load(t, environ("TALE_VERSION", set)), entrypoint.Invocation{Log: logging.Discard(), Environ: environ()})
		if got := b.Report().Version; got != cmp.Or(set, version.String()) {
			t.Errorf("TALE_VERSION=%s: the report has %q", set, got)
		}
	}
}
