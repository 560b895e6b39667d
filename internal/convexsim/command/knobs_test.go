package command

import (
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/logging"
)

func TestKnobsOfTheBackend(t *testing.T) {
	var options convexsim.Options
	readKnobs(config.Environ{
		"ENV_VAR_LIMIT": "5", "MAX_PUSH_BYTES": "1000", "HTTP_SERVER_TIMEOUT_SECONDS": "many", "CONVEX_RELEASE_VERSION_DEV": "2026.2",
	}, logging.Discard()).apply(&options)
	if options.EnvLimit != 5 || options.MaxPushBytes != 1000 || options.RequestTimeout != 300*time.Second || options.Version != "2026.2" {
		t.Errorf("got %+v", options)
	}
}
