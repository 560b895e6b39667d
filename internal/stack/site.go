package stack

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Where the site's certificate comes from (TLS_MODE).
const (
	TLSSelfSigned  = "selfsigned"  // an authority of the proxy's own
	TLSLetsEncrypt = "letsencrypt" // ACME
	TLSExternal    = "external"    // a TLS terminator in front has it
)

// Site is the public name of the stack.
type Site struct {
	SiteURL  string `env:"SITE_URL,required" tier:"operator" doc:"Address that visitors see, with its port if it is not the usual one. The dashboard connects the browser to it, and functions make links of it." accept:"an origin such as https://example.com or https://example.com:8443; a path goes into BASE_PATH"`
	Host     string `env:"HOST" tier:"operator" doc:"Host name of the site inside the network: the proxy's alias, by which the other containers reach it. Default: the host of SITE_URL." accept:"a host name without scheme and port"`
	BasePath string `env:"BASE_PATH" tier:"operator" doc:"Path under which the site is served, when it is not at the root of its host." accept:"a path such as /tale"`
	TLSMode  string `env:"TLS_MODE" tier:"operator" envDefault:"selfsigned" doc:"Where the certificate comes from: an authority of the proxy's own, which the other containers learn to trust; ACME; or a TLS terminator in front." accept:"selfsigned, letsencrypt, external"`
}

// Address is a site, taken apart.
type Address struct {
	Scheme string
	Host   string   // of SITE_URL, lower case, an IPv6 address without brackets
	Port   string   // as visitors write it; "" is the scheme's usual one
	Name   string   // HOST or its default: inside the network, and for clients that name no host
	Names  []string // every host name that is served, that of SITE_URL first
	Base   string   // "" or a path such as "/tale", without a slash at its end
}

// Address takes the settings apart, which must have passed Validate.
func (s Site) Address() Address {
	u, err := url.Parse(strings.TrimSpace(s.SiteURL))
	if err != nil {
		return Address{}
	}
	a := Address{Scheme: u.Scheme, Host: strings.ToLower(u.Hostname()), Port: publicPort(u), Base: normalBasePath(s.BasePath)}
	a.Name, a.Names = a.Host, []string{a.Host}
	if s.Host != "" {
		a.Name = strings.ToLower(s.Host)
	}
	if a.Name != a.Host {
		a.Names = append(a.Names, a.Name)
	}
	return a
}

func publicPort(u *url.URL) string {
	if (u.Scheme == "https" && u.Port() == "443") || (u.Scheme == "http" && u.Port() == "80") {
		return ""
	}
	return u.Port()
}

func normalBasePath(path string) string {
	path = strings.Trim(strings.TrimSpace(path), "/")
	if path == "" {
		return ""
	}
	return "/" + path
}

// Authority returns the host of SITE_URL with its port, as it stands in a URL.
func (a Address) Authority() string {
	if a.Port != "" {
		return net.JoinHostPort(a.Host, a.Port)
	}
	return InURL(a.Host)
}

// InURL returns a host as it stands in a URL, an IPv6 address in brackets.
func InURL(host string) string {
	if address, err := netip.ParseAddr(host); err == nil && address.Is6() {
		return "[" + host + "]"
	}
	return host
}

// URL returns the address of the site, with its base path and a slash.
func (a Address) URL() string { return a.Scheme + "://" + a.Authority() + a.Base + "/" }

var basePathForm = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

// Validate reports what is not the address of a site.
func (s Site) Validate() config.Problems {
	problems := config.CheckOneOf("TLS_MODE", s.TLSMode, TLSSelfSigned, TLSLetsEncrypt, TLSExternal)
	problems = append(problems, s.checkURL()...)
	if s.Host != "" {
		problems = append(problems, config.CheckHost("HOST", s.Host)...)
	}
	return append(problems, s.checkBasePath()...)
}

func (s Site) checkURL() config.Problems {
	const accepted = "an origin such as https://example.com or https://example.com:8443"
	refuse := func(wrong, accepted string) config.Problems {
		return config.Problems{{Variable: "SITE_URL", Wrong: wrong, Accepted: accepted}}
	}
	text := strings.TrimSpace(s.SiteURL)
	if text == "" {
		return nil // reported as missing already
	}
	if problems := config.CheckHTTPURL("SITE_URL", text); len(problems) > 0 {
		return problems
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return refuse("is not a URL", accepted)
	case u.User != nil:
		return refuse("contains a user name", accepted)
	case strings.Trim(u.Path, "/") != "":
		return refuse(fmt.Sprintf("has the path %q", u.Path), accepted+"; put the path into BASE_PATH")
	case u.RawQuery != "" || u.Fragment != "":
		return refuse("has a query or a fragment", accepted)
	case u.Scheme == "http" && s.TLSMode != TLSExternal:
		return refuse(fmt.Sprintf("begins with http://, but with TLS_MODE=%s the site is served over https", s.TLSMode),
			"an https:// address, or TLS_MODE=external behind your own TLS terminator")
	}
	return nil
}

func (s Site) checkBasePath() config.Problems {
	base := normalBasePath(s.BasePath)
	if base == "" {
		return nil
	}
	first, _, _ := strings.Cut(base[1:], "/")
	switch {
	case !basePathForm.MatchString(base):
		return config.Problems{{Variable: "BASE_PATH", Wrong: fmt.Sprintf("%q is not a plain path", s.BasePath), Accepted: "a path such as /tale, of letters, digits and . _ ~ -"}}
	case slices.Contains([]string{"api", "health"}, strings.ToLower(first)):
		return config.Problems{{Variable: "BASE_PATH", Wrong: fmt.Sprintf("%q hides paths that must answer without it", s.BasePath), Accepted: "a path that does not begin with /api or /health"}}
	}
	return nil
}
