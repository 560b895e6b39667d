package platform

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"

	"github.com/tale-project/tale-runtime/internal/doctor"
)

// certificate asks the site as a visitor who trusts the usual authorities. The
// certificates of TLS_MODE=selfsigned are not of those: that they are in time
// and for the right name is checked before the authority, and is all that can
// be asked for.
func (v *siteVisitor) certificate(ctx context.Context) (string, error) {
	if !strings.HasPrefix(v.site, "https://") {
		return "", doctor.Skipped("SITE_URL is not https")
	}
	_, _, err := v.ask(ctx, v.trusts, http.MethodGet, "/health", nil)
	if err == nil {
		return "trusted", nil
	}
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); !unknown {
		return "", err
	}
	if v.tlsMode == "selfsigned" {
		return "of the proxy's own authority (TLS_MODE=selfsigned); visitors trust what docker compose exec proxy proxy ca prints", nil
	}
	return "", doctor.Warning(doctor.WithFix(err, "with TLS_MODE=letsencrypt see docker compose logs proxy; for an authority of your own mount its root and set SSL_CERT_FILE"))
}
