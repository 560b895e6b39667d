package proxy

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
)

// site is the public name of the stack, as SITE_URL, HOST and BASE_PATH say it.
type site struct {
	scheme string
	host   string   // of SITE_URL, lower case, an IPv6 address without brackets
	port   string   // as visitors write it; "" is the scheme's usual one
	names  []string // every host name that is served, that of SITE_URL first
	sni    string   // certificate for clients that name no host or an unknown one
	base   string   // "" or a path such as "/tale", without a slash at its end
}

// site reads the three settings; they must have passed Validate.
func (s *Settings) site() site {
	u, err := url.Parse(strings.TrimSpace(s.SiteURL))
	if err != nil {
		return site{}
	}
	result := site{scheme: u.Scheme, host: strings.ToLower(u.Hostname()), port: publicPort(u), base: normalBasePath(s.BasePath)}
	result.names = []string{result.host}
	result.sni = result.host
	if s.Host != "" {
		result.sni = strings.ToLower(s.Host)
	}
	if !slices.Contains(result.names, result.sni) {
		result.names = append(result.names, result.sni)
	}
	return result
}

func publicPort(u *url.URL) string {
	if (u.Scheme == "https" && u.Port() == "443") || (u.Scheme == "http" && u.Port() == "80") {
		return ""
	}
	return u.Port()
}

// authority is the host of SITE_URL with its port, as it stands in a URL.
func (s site) authority() string {
	if s.port != "" {
		return net.JoinHostPort(s.host, s.port)
	}
	if strings.Contains(s.host, ":") {
		return "[" + s.host + "]"
	}
	return s.host
}

func normalBasePath(path string) string {
	path = strings.Trim(strings.TrimSpace(path), "/")
	if path == "" {
		return ""
	}
	return "/" + path
}

var basePathForm = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

func (s *Settings) checkSite() config.Problems {
	problems := s.checkSiteURL()
	if s.Host != "" {
		problems = append(problems, config.CheckHost("HOST", s.Host)...)
	}
	base := normalBasePath(s.BasePath)
	if base == "" {
		return problems
	}
	first, _, _ := strings.Cut(base[1:], "/")
	switch {
	case !basePathForm.MatchString(base):
		problems = append(problems, problem("BASE_PATH", "%q is not a plain path", "a path such as /tale, of letters, digits and . _ ~ -", s.BasePath))
	case slices.Contains([]string{"api", "health"}, strings.ToLower(first)):
		problems = append(problems, problem("BASE_PATH", "%q hides paths that must answer without it", "a path that does not begin with /api or /health", s.BasePath))
	}
	return problems
}

func (s *Settings) checkSiteURL() config.Problems {
	const accepted = "an origin such as https://example.com or https://example.com:8443"
	if strings.TrimSpace(s.SiteURL) == "" {
		return nil // reported as missing already
	}
	if problems := config.CheckHTTPURL("SITE_URL", strings.TrimSpace(s.SiteURL)); len(problems) > 0 {
		return problems
	}
	u, err := url.Parse(strings.TrimSpace(s.SiteURL))
	switch {
	case err != nil:
		return config.Problems{problem("SITE_URL", "is not a URL", accepted)}
	case u.User != nil:
		return config.Problems{problem("SITE_URL", "contains a user name", accepted)}
	case strings.Trim(u.Path, "/") != "":
		return config.Problems{problem("SITE_URL", "has the path %q", accepted+"; put the path into BASE_PATH", u.Path)}
	case u.RawQuery != "" || u.Fragment != "":
		return config.Problems{problem("SITE_URL", "has a query or a fragment", accepted)}
	case u.Scheme == "http" && s.TLSMode != tlsExternal:
		return config.Problems{problem("SITE_URL", "begins with http://, but with TLS_MODE=%s the site is served over https", "an https:// address, or TLS_MODE=external behind your own TLS terminator", s.TLSMode)}
	}
	return nil
}

// url is the address of the site, with its base path.
func (s site) url() string { return s.scheme + "://" + s.authority() + s.base + "/" }
