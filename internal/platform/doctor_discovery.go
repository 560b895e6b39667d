package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/tale-project/tale-runtime/internal/doctor"
)

// discovery looks for the document by which functions verify the sessions that
// the app itself gives out. An app without a login has no such route, and whether
// it has a login cannot be seen from here.
func (v *siteVisitor) discovery(ctx context.Context) (string, error) {
	var seen []string
	broken := false
	for _, path := range []string{"/.well-known/openid-configuration", "/api/auth/convex/.well-known/openid-configuration"} {
		status, body, err := v.ask(ctx, v.blind, http.MethodGet, path, nil)
		if err != nil {
			return "", err
		}
		var document struct{ Issuer string }
		if status == http.StatusOK && json.Unmarshal(body, &document) == nil && document.Issuer != "" {
			return fmt.Sprintf("%s names the issuer %s", path, document.Issuer), nil
		}
		broken = broken || status >= http.StatusInternalServerError
		if status == http.StatusOK {
			seen = append(seen, path+" is something else (200)")
		} else {
			seen = append(seen, fmt.Sprintf("%s answered %d", path, status))
		}
	}
	answers := strings.Join(seen, ", ")
	if broken {
		return "", doctor.Warning(fmt.Errorf("cannot tell whether the app serves an OpenID document: %s", answers))
	}
	return "", doctor.Warning(fmt.Errorf("the app has no route for an OpenID document, which only an app with its own login needs: %s", answers))
}
