package doctor

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// ExtraSite is a site beside the main one, as the public sees it.
type ExtraSite struct {
	Host    string
	Service string // where the proxy sends its requests, host:port
	TLSMode string // of the proxy
	Visitor *site.Visitor
}

// Checks returns the checks of the site.
func (e ExtraSite) Checks() []Check {
	at := place.Here()
	name := "name of " + e.Host
	return []Check{
		Resolves(name, e.Host, at.Name("the name as an alias, like HOST")),
		{Name: e.Host, Needs: []string{name}, Run: e.answers,
			Fix: at.Log("proxy") + " says why the probes of " + e.Service + " do not pass; EXTRA_SITES must be the same for platform and proxy"},
		{Name: "certificate of " + e.Host, Needs: []string{e.Host}, Run: Site{Visitor: e.Visitor, TLSMode: e.TLSMode}.certificate,
			Fix: at.Log("proxy") + " tells about certificates; docs/operations.md, TLS"},
	}
}

func (e ExtraSite) answers(ctx context.Context) (string, error) {
	if _, err := (Site{Visitor: e.Visitor}).health(ctx); err != nil {
		return "", err
	}
	page, err := e.Visitor.Ask(ctx, site.Request{URL: "/"})
	if err != nil {
		return "", err
	}
	if page.StatusCode >= http.StatusInternalServerError {
		return "", fmt.Errorf("%s/ answered %d: the proxy has no healthy address for %s, or that fails", e.Visitor.URL(), page.StatusCode, e.Service)
	}
	return fmt.Sprintf("%s/ answered %d", e.Visitor.URL(), page.StatusCode), nil
}
