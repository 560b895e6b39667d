package entrypoint

import (
	"github.com/tale-project/tale-runtime/internal/entrypoint/boot"
	"github.com/tale-project/tale-runtime/internal/logging"
)

// Settings are the variables that every entrypoint reads for itself.
type Settings struct {
	Log   logging.Settings
	Boot  boot.Settings
	RunAs RunAs
}
