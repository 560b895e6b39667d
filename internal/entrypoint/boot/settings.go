package boot

import (
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Settings say where a boot shows how far it is.
type Settings struct {
	RunDir     string        `env:"TALE_RUN_DIR" tier:"advanced" envDefault:"/tmp" doc:"Folder of the marker files and the boot report; must be writable."`
	StatusAddr string        `env:"STATUS_ADDR" tier:"advanced" envDefault:":9180" empty:"keep" doc:"Address of the status port: /livez /readyz /startupz /status /metrics." accept:"host:port or :port; empty turns it off"`
	Hold       time.Duration `env:"HOLD_AFTER_FAILURE" tier:"advanced" envDefault:"0" doc:"How long the container stays up, not ready, after a failure that another start would not mend, so that status and doctor can be asked and a restart policy does not spin. A stop ends it at once." accept:"seconds or a duration such as 5m; 0 ends it at once"`
}

// Validate checks what types alone cannot.
func (s Settings) Validate() config.Problems {
	return config.CheckListenAddress("STATUS_ADDR", s.StatusAddr)
}

// StatusPort returns the port of the status port, 0 where there is none.
func (s Settings) StatusPort() int {
	_, text, _ := net.SplitHostPort(s.StatusAddr)
	port, _ := strconv.Atoi(text) // what is no port is refused by Validate
	return port
}

// Markers returns the marker files of a service.
func (s Settings) Markers(service string) health.Markers {
	return health.NewMarkers(filepath.Join(s.RunDir, stack.ReadyMarker(service)), filepath.Join(s.RunDir, stack.ShuttingDownMarker(service)))
}

// ReportPath returns where the report of a service's boot goes, or of another
// run of it that has a name of its own; nowhere without a run folder.
func (s Settings) ReportPath(service, run string) string {
	if s.RunDir == "" {
		return ""
	}
	if run != "" {
		service += "-" + run
	}
	return filepath.Join(s.RunDir, service+"-report.json")
}
