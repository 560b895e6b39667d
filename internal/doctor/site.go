package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// SiteName is the check of the site's name, on which all others of the site rest.
const SiteName = "name of SITE_URL"

const proxyHealth = "proxy health"

// Site is a running stack as the public sees it.
type Site struct {
	Visitor *site.Visitor
	TLSMode string   // of the proxy, if it is known here
	Backend []string // checks that must pass before those that go through to the backend
	NoLogin bool     // the app's functions are known to verify no sessions
}

// Checks returns the checks of the site.
func (s Site) Checks() []Check {
	at := place.Here()
	throughProxy := append([]string{proxyHealth}, s.Backend...)
	v := s.Visitor
	return []Check{
		Resolves(SiteName, hostOf(v.URL()), at.Name("the alias HOST")),
		{Name: proxyHealth, Needs: []string{SiteName}, Run: s.proxyHealth,
			Fix: "is the proxy up, and does its SITE_URL say the same? " + at.State("proxy") + "; " + at.Log("proxy")},
		{Name: "port of SITE_URL", Needs: []string{proxyHealth}, Run: s.port,
			Fix: "nothing, unless functions call SITE_URL: then publish the usual port, or let the proxy listen on this one inside, too (HTTPS_PORT, HTTP_PORT)"},
		{Name: "upstreams", Needs: throughProxy, Run: s.upstreams,
			Fix: at.Log("proxy") + " says why its probes do not pass; " + at.State()},
		{Name: "visitor's address", Needs: []string{proxyHealth}, Run: s.address,
			Fix: "the TLS terminator must set X-Forwarded-For and be in TRUSTED_PROXIES; docs/operations.md, Behind a TLS terminator"},
		{Name: "certificate", Needs: []string{proxyHealth}, Run: s.certificate,
			Fix: at.Log("proxy") + " tells about certificates; docs/operations.md, TLS"},
		{Name: "sync socket", Needs: throughProxy, Run: v.Socket,
			Fix: "a proxy in front must pass WebSocket upgrades (Upgrade and Connection headers, long read time-outs)"},
		{Name: "HTTP actions", Needs: throughProxy, Run: v.HTTPActions,
			Fix: at.Exec("proxy", "proxy routes") + ": /http_api must lead to this backend"},
		{Name: "storage", Needs: throughProxy, Run: v.Storage,
			Fix: "a proxy in front must pass /api/storage and bodies of 1 MB (client_max_body_size); MAX_BODY of our proxy too"},
		{Name: "auth discovery", Needs: throughProxy, Run: s.discovery,
			Fix: "nothing, unless convex/auth.config.ts names SITE_URL and users log in: then functions cannot verify their sessions (AuthProviderDiscoveryFailed) until convex/http.ts serves the document"},
	}
}

// address returns how the proxy tells visitors apart: behind a TLS terminator it must
// be told.
func (s Site) address(ctx context.Context) (string, error) {
	found, err := s.health(ctx)
	if err != nil {
		return "", err
	}
	if s.TLSMode == "external" && (!found.Forwarded || found.Visitor == "") {
		return "", Warning(fmt.Errorf("this visit came to the proxy from %q, and no trusted proxy said so: visitors through the TLS terminator may all look alike", found.Visitor))
	}
	return "the proxy sees this visit come from " + found.Visitor, nil
}

// Resolves returns a check that a host name has addresses.
func Resolves(name, host, fix string) Check {
	return Check{Name: name, Fix: fix, Run: func(ctx context.Context) (string, error) {
		addresses, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			return "", unresolved(err, host)
		}
		return fmt.Sprintf("%s is %s", host, strings.Join(addresses, ", ")), nil
	}}
}

// unresolved returns why a name has no address. A name server that is away says nothing
// about the name.
func unresolved(err error, host string) error {
	dns, ok := errors.AsType[*net.DNSError](err)
	if ok && dns.IsNotFound {
		return fmt.Errorf("cannot resolve %s: there is no such name, or no address of it", host)
	}
	said := fmt.Errorf("cannot resolve %s: %s", host, netcause.Reason(err))
	if ok {
		return WithFix(said, "have the name servers answer that this container asks ("+place.Here().NameServers()+")")
	}
	return said
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Hostname()
}

func (s Site) health(ctx context.Context) (site.Health, error) {
	found, err := s.Visitor.Health(ctx)
	if _, other := errors.AsType[*site.NotOursError](err); other {
		return found, WithFix(err, "the name leads somewhere else than to our proxy: check HOST, its network alias and DNS")
	}
	return found, err
}

func (s Site) proxyHealth(ctx context.Context) (string, error) {
	_, err := s.health(ctx)
	return s.Visitor.URL() + "/health is our proxy", err
}

// port returns where the proxy was asked: a port that only the host publishes is refused
// inside the network.
func (s Site) port(ctx context.Context) (string, error) {
	if _, err := s.health(ctx); err != nil {
		return "", err
	}
	u, err := url.Parse(s.Visitor.URL())
	if err != nil || !s.Visitor.WentInside() {
		return "is open inside the network, too", err
	}
	return "", Warning(fmt.Errorf("SITE_URL has the published port %s; inside the network the proxy listens on %s: asked there", u.Port(), InsidePort(u)))
}

// InsidePort returns the port on which the proxy is likely to listen inside the network
// for a site with this URL, whose own port is another one; "" if it is not, and for an
// address, which is no alias of the proxy.
func InsidePort(u *url.URL) string {
	usual := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	if u.Port() == "" || u.Port() == usual || net.ParseIP(u.Hostname()) != nil {
		return ""
	}
	return usual
}

// upstreams returns what the proxy found.
func (s Site) upstreams(ctx context.Context) (string, error) {
	found, err := s.health(ctx)
	if err != nil {
		return "", err
	}
	if len(found.Unavailable) > 0 {
		return "", fmt.Errorf("the proxy has no healthy address for %s and answers with its maintenance page", strings.Join(found.Unavailable, ", "))
	}
	return "the proxy reaches all of them", nil
}

// certificate asks as a visitor who trusts the usual authorities. The certificates
// of TLS_MODE=selfsigned are not of those: that they are in time and for the right
// name is all that can be asked for.
func (s Site) certificate(ctx context.Context) (string, error) {
	err := s.Visitor.Certificate(ctx)
	switch {
	case err == nil:
		return "trusted", nil
	case errors.Is(err, site.ErrPlain):
		return "", Skipped("SITE_URL is not https")
	case !errors.Is(err, site.ErrUnknownAuthority):
		return "", err
	case s.TLSMode == "selfsigned":
		return "of the proxy's own authority (TLS_MODE=selfsigned); visitors trust what " + place.Here().Exec("proxy", "proxy ca") + " prints", nil
	}
	return "", Warning(WithFix(err, "with TLS_MODE=letsencrypt see "+place.Here().Log("proxy")+"; for an authority of your own mount its root and set SSL_CERT_FILE"))
}

// discovery cannot see from outside whether the app has a login, so it only warns.
func (s Site) discovery(ctx context.Context) (string, error) {
	if s.NoLogin {
		return "", Skipped("the app has no convex/auth.config.ts: its functions verify no sessions")
	}
	found, err := s.Visitor.Discovery(ctx)
	switch {
	case err != nil:
		return "", err
	case found.Issuer != "":
		return fmt.Sprintf("%s names the issuer %s", found.Path, found.Issuer), nil
	case found.Broken:
		return "", Warning(fmt.Errorf("cannot tell whether the app serves an OpenID document: %s", found.Seen))
	}
	return "", Warning(fmt.Errorf("the app has no route for an OpenID document, which only an app with its own login needs: %s", found.Seen))
}
