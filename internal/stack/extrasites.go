package stack

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
)

// ExtraSites are sites beside the stack's own, each with a host name of its own.
type ExtraSites struct {
	Text string `env:"EXTRA_SITES" tier:"operator" doc:"Sites beside the main one, each on a host name of its own, through the same proxy and ports: all of a site goes to one service, whose health is probed. TLS is as for the main site, each name with its own certificate." accept:"HOST=SERVICE:PORT, comma separated, each optionally with the path to probe (docs.example.com=docs:3002/api/health)"`
}

// ExtraSite is one of them.
type ExtraSite struct {
	Host     string // lower case
	Upstream string // host:port
	Health   string // path that is probed, PlatformHealth where none is named
}

// Sites returns the sites, in the order in which they were set. The settings must have
// passed Validate.
func (e ExtraSites) Sites() []ExtraSite {
	sites, _ := e.parse()
	return sites
}

// Hosts returns their names.
func (e ExtraSites) Hosts() []string {
	var hosts []string
	for _, site := range e.Sites() {
		hosts = append(hosts, site.Host)
	}
	return hosts
}

// Validate reports everything that is no site.
func (e ExtraSites) Validate() config.Problems {
	_, problems := e.parse()
	return problems
}

func (e ExtraSites) parse() (sites []ExtraSite, problems config.Problems) {
	for _, text := range strings.FieldsFunc(e.Text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }) {
		site, wrong := parseExtraSite(text)
		if slices.ContainsFunc(sites, func(other ExtraSite) bool { return other.Host == site.Host }) {
			wrong = fmt.Sprintf("names %s twice", site.Host)
		}
		if wrong != "" {
			problems = append(problems, config.Problem{Variable: "EXTRA_SITES", Wrong: wrong})
			continue
		}
		sites = append(sites, site)
	}
	return sites, problems
}

func parseExtraSite(text string) (site ExtraSite, wrong string) {
	host, target, found := strings.Cut(text, "=")
	if !found {
		return site, fmt.Sprintf("has %q without =", text)
	}
	upstream, path, hasPath := strings.Cut(target, "/")
	site = ExtraSite{Host: strings.ToLower(host), Upstream: upstream, Health: PlatformHealth}
	if hasPath {
		site.Health = "/" + path
	}
	service, port, err := net.SplitHostPort(upstream)
	number, _ := strconv.ParseUint(port, 10, 16)
	switch {
	case len(config.CheckHost("", host)) > 0:
		return site, config.CheckHost("", host)[0].Wrong + " and cannot be the name of a site"
	case err != nil || number == 0 || len(config.CheckHost("", service)) > 0:
		return site, fmt.Sprintf("has %q for %s, which is not host and port of a service, without a scheme", upstream, host)
	case strings.ContainsAny(site.Health, "{}#?"):
		return site, fmt.Sprintf("has %q for %s, which is not a path to probe", site.Health, host)
	}
	return site, ""
}
