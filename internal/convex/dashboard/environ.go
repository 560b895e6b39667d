package dashboard

import (
	"maps"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/config"
)

// variables are what the dashboard gets of our environment, and nothing else: it
// writes some variables into pages that every visitor can load, an admin key among
// them if it were given one.
var variables = []string{
	"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "NODE_ENV", "NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE",
	"NEXT_TELEMETRY_DISABLED", "NEXT_PUBLIC_LOAD_MONACO_INTERNALLY", "NEXT_PUBLIC_HIDE_HEADER", "KEEP_ALIVE_TIMEOUT",
}

// environ returns the dashboard's environment.
func (d *Dashboard) environ(trust map[string]string) config.Environ {
	complete := config.Environ{"NODE_ENV": "production", "NEXT_PUBLIC_LOAD_MONACO_INTERNALLY": "true", "NEXT_TELEMETRY_DISABLED": "1"}
	for _, variable := range variables {
		if value := d.Environ[variable]; value != "" {
			complete[variable] = value
		}
	}
	maps.Copy(complete, trust)
	complete["PORT"] = strconv.Itoa(d.Settings.Port)
	complete["HOSTNAME"] = d.Interface
	complete["NEXT_PUBLIC_DEPLOYMENT_URL"] = d.SiteURL
	return complete
}
