package proxy

import (
	"github.com/tale-project/tale-runtime/internal/proxy/caddyconf"
	"github.com/tale-project/tale-runtime/internal/proxy/issuer"
	"github.com/tale-project/tale-runtime/internal/proxy/metricsgate"
)

// keepSecrets hands secrets to the modules that need them, so that they are not
// part of the configuration.
func keepSecrets(s *Settings) {
	if s.MetricsToken != "" {
		metricsgate.Keep(caddyconf.MetricsToken, s.MetricsToken.Reveal())
	}
	if s.ACMEKeyID != "" {
		issuer.Keep(s.ACMEKeyID, s.ACMEKey.Reveal())
	}
}
