package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"golang.org/x/net/http/httpguts"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Validate reports every setting that the proxy could not act on, and
// combinations that would not do what their author meant.
func (s *Settings) Validate() config.Problems {
	var problems config.Problems
	for _, check := range []func() config.Problems{
		s.checkChoices, s.checkListeners,
		s.checkUpstreams, s.checkAddresses, s.checkLimits, s.checkACME, s.checkExtraSites, s.checkSiteDir,
	} {
		problems = append(problems, check()...)
	}
	return problems
}

func (s *Settings) checkChoices() config.Problems {
	problems := config.CheckOneOf("HTTP3", s.HTTP3, on, off)
	problems = append(problems, config.CheckOneOf("HTTP_ACTIONS_UPSTREAM", s.HTTPActions, actionsOnBackend, actionsOnSitePort)...)
	return append(problems, config.CheckOneOf("WEBSOCKET_COMPRESSION", s.Compression, StripExtensions, passExtensions)...)
}

func (s *Settings) checkListeners() config.Problems {
	problems := config.CheckPort("HTTP_PORT", s.HTTPPort)
	problems = append(problems, config.CheckPort("HTTPS_PORT", s.HTTPSPort)...)
	problems = append(problems, config.CheckListenAddress("PROXY_HEALTH_ADDR", s.HealthAddr)...)
	if s.BindAddress != "" {
		if _, err := netip.ParseAddr(s.BindAddress); err != nil {
			problems = append(problems, problem("PROXY_BIND_ADDRESS", "%q is not an IP address", "an IP address, or nothing for all", s.BindAddress))
		}
	}
	if s.HTTPPort == s.HTTPSPort && s.TLSMode != stack.TLSExternal {
		problems = append(problems, problem("HTTPS_PORT", "%d is also HTTP_PORT", "another port", s.HTTPSPort))
	}
	return append(problems, s.checkHealthPort()...)
}

// checkHealthPort reports a health port that the site has.
func (s *Settings) checkHealthPort() config.Problems {
	host, port, _ := net.SplitHostPort(s.HealthAddr) // what is no address is reported elsewhere
	if !isAll(host) && !isAll(s.BindAddress) && host != s.BindAddress {
		return nil
	}
	for _, listener := range s.siteListeners() {
		if port == listener.port {
			return config.Problems{problem("PROXY_HEALTH_ADDR", "has port %s, which is %s too", "another port", port, listener.variable)}
		}
	}
	return nil
}

// isAll reports whether listening on the address takes the port on every address.
func isAll(address string) bool {
	ip, err := netip.ParseAddr(address)
	return address == "" || err == nil && ip.IsUnspecified()
}

type siteListener struct{ variable, port string }

// siteListeners returns the ports that visitors come to.
func (s *Settings) siteListeners() []siteListener {
	listeners := []siteListener{{"HTTP_PORT", strconv.Itoa(s.HTTPPort)}}
	if s.TLSMode != stack.TLSExternal {
		listeners = append(listeners, siteListener{"HTTPS_PORT", strconv.Itoa(s.HTTPSPort)})
	}
	return listeners
}

// checkLoop reports an upstream that is this proxy.
func (s *Settings) checkLoop(variable, address string) config.Problems {
	host, port, _ := net.SplitHostPort(address) // what is no address is reported elsewhere
	if !s.isItself(host) {
		return nil
	}
	for _, listener := range s.siteListeners() {
		if port == listener.port {
			return config.Problems{problem(variable, "%s is this proxy (%s)", "where the service itself listens, such as platform:3000", address, listener.variable)}
		}
	}
	return nil
}

// isItself reports whether a host leads to the ports that visitors come to: an address that
// the proxy listens on, of which loopback in a container is the container itself, or a name
// of the site, which with an external terminator leads to that one.
func (s *Settings) isItself(host string) bool {
	ip, _ := netip.ParseAddr(host)
	bound, _ := netip.ParseAddr(s.BindAddress) // what is no address is reported elsewhere
	switch {
	case ip.IsValid() && ip.Unmap() == bound.Unmap():
		return true
	case host == "localhost":
		return isAll(s.BindAddress) || bound.IsLoopback()
	case ip.IsLoopback():
		return isAll(s.BindAddress)
	}
	return s.TLSMode != stack.TLSExternal && slices.Contains(s.Address().Names, host)
}

func (s *Settings) checkUpstreams() config.Problems {
	var problems config.Problems
	for _, upstream := range []struct{ variable, address string }{
		{"CONVEX_UPSTREAM", s.Backend},
		{"CONVEX_SITE_UPSTREAM", s.SitePort},
		{"DASHBOARD_UPSTREAM", s.Dashboard},
		{"PLATFORM_UPSTREAM", s.Platform},
		{"METRICS_CRAWLER_UPSTREAM", s.Crawler},
		{"METRICS_RAG_UPSTREAM", s.RAG},
		{"METRICS_OPERATOR_UPSTREAM", s.Operator},
	} {
		problems = append(problems, checkUpstream(upstream.variable, upstream.address)...)
		problems = append(problems, s.checkLoop(upstream.variable, upstream.address)...)
	}
	if s.Resolver != "" {
		problems = append(problems, checkUpstream("UPSTREAM_RESOLVER", s.Resolver)...)
	}
	if _, _, err := splitHealth(s.Health); err != nil {
		problems = append(problems, problem("PLATFORM_HEALTH", "%q %v", "", s.Health, err))
	}
	return problems
}

func checkUpstream(variable, address string) config.Problems {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || !isPort(port) || strings.ContainsAny(host, "/{} ") {
		return config.Problems{problem(variable, "%q is not host and port", "host:port, without a scheme", address)}
	}
	return config.CheckHost(variable, host)
}

func (s *Settings) checkAddresses() config.Problems {
	var problems config.Problems
	if _, err := s.trustedRanges(); err != nil {
		problems = append(problems, problem("TRUSTED_PROXIES", "has %v", "", err))
	}
	if _, err := parseRanges(s.DashboardAllow); err != nil {
		problems = append(problems, problem("DASHBOARD_ALLOW", "has %v", "", err))
	}
	return problems
}

func (s *Settings) checkLimits() config.Problems {
	var problems config.Problems
	if _, err := ParseSize(s.MaxBody); err != nil {
		problems = append(problems, problem("MAX_BODY", "%q is not a size", "", s.MaxBody))
	}
	if size, err := ParseSize(s.AssetsCache); err != nil || size > 0 && size < leastAssets {
		problems = append(problems, problem("ASSETS_CACHE", "%q is not a size of at least 1MB", "", s.AssetsCache))
	}
	if _, err := ParseSize(s.BodyRate); err != nil {
		problems = append(problems, problem("VISITOR_BODY_RATE", "%q is not a size", "", s.BodyRate))
	}
	for variable, value := range map[string]int{"VISITOR_CONNECTIONS": s.Connections, "VISITOR_UPLOADS": s.Uploads} {
		if value < 0 {
			problems = append(problems, problem(variable, "%d is less than nothing", "a whole number; 0 for no limit", value))
		}
	}
	if token := s.MetricsToken.Reveal(); !httpguts.ValidHeaderFieldValue(token) || strings.Trim(token, " \t") != token {
		problems = append(problems, problem("METRICS_BEARER_TOKEN", "has control characters, or spaces at an end, which no client can send in a header", "any other text"))
	}
	return problems
}

func (s *Settings) checkACME() config.Problems {
	var problems config.Problems
	if s.TLSEmail != "" && !strings.Contains(s.TLSEmail, "@") {
		problems = append(problems, problem("TLS_EMAIL", "%q is not an e-mail address", "an e-mail address, or nothing", s.TLSEmail))
	}
	problems = append(problems, config.CheckHTTPURL("ACME_DIRECTORY", s.ACMEDirectory)...)
	if s.ACMERootFile != "" {
		if _, err := os.Stat(s.ACMERootFile); err != nil {
			problems = append(problems, problem("ACME_CA_ROOT", "cannot be read: %v", "a PEM file", err))
		}
	}
	if name := s.Address().Host; s.TLSMode == stack.TLSLetsEncrypt && !s.privateACME() && name != "" && !isPublicName(name) {
		problems = append(problems, problem("TLS_MODE", "is letsencrypt, but no public authority certifies %q", "a name in SITE_URL that the internet knows, or another TLS_MODE, or an ACME_DIRECTORY of your own", name))
	}
	if (s.ACMEKeyID == "") != (s.ACMEKey == "") {
		problems = append(problems, problem("ACME_EAB_KEY_ID", "and ACME_EAB_HMAC_KEY are not both set", "both, or neither"))
	}
	return problems
}

// checkSiteDir reports a folder that somebody named and that is not there. The default is
// mounted by those who need it.
func (s *Settings) checkSiteDir() config.Problems {
	if s.SiteDir == "" || s.SiteDir == defaultSiteDir {
		return nil
	}
	if _, err := os.Stat(s.SiteDir); errors.Is(err, fs.ErrNotExist) {
		return config.Problems{problem("PROXY_SITE_DIR", "names %s, which is not in this container", "a folder that is mounted; "+defaultSiteDir+" where it is not set; empty for none", s.SiteDir)}
	}
	return nil
}

// checkExtraSites reports names that are taken, or that nobody would certify.
func (s *Settings) checkExtraSites() config.Problems {
	var problems config.Problems
	for _, host := range s.Hosts() {
		switch {
		case slices.Contains(s.Address().Names, host):
			problems = append(problems, problem("EXTRA_SITES", "has %s, which is the main site (SITE_URL, HOST)", "a name of its own for each site", host))
		case routes.IsUpstream(host):
			problems = append(problems, problem("EXTRA_SITES", "has %q, which the proxy's metrics and log call a part of the main site", "another name", host))
		case s.TLSMode == stack.TLSLetsEncrypt && !s.viaACME(host):
			problems = append(problems, problem("EXTRA_SITES", "has %q, which no public authority certifies, and TLS_MODE is letsencrypt", "a name that the internet knows, or another TLS_MODE, or an ACME_DIRECTORY of your own", host))
		}
	}
	return problems
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= 65535
}

// leastAssets is the smallest ASSETS_CACHE that holds anything useful, in bytes.
const leastAssets = 1_000_000

// ParseSize returns a size in bytes; an empty one is 0.
func ParseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	size, err := humanize.ParseBytes(text)
	if err != nil || size > 1<<62 {
		return 0, fmt.Errorf("cannot read the size %q", text)
	}
	return int64(size), nil
}

// splitHealth returns the parts of PLATFORM_HEALTH; the port is "" for the upstream's own.
func splitHealth(value string) (port, path string, err error) {
	path = value
	if rest, ok := strings.CutPrefix(value, ":"); ok {
		port, path, _ = strings.Cut(rest, "/")
		path = "/" + path
		if !isPort(port) {
			return "", "", fmt.Errorf("has no valid port")
		}
	}
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " {}#") {
		return "", "", fmt.Errorf("has no valid path")
	}
	return port, path, nil
}

func problem(variable, wrong, accepted string, args ...any) config.Problem {
	return config.Problem{Variable: variable, Wrong: fmt.Sprintf(wrong, args...), Accepted: accepted}
}
