package compose

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// doubts returns what is valid and rarely meant, ready to be shown: an address that leads
// past the proxy, and variables of the functions that nothing sets.
func (m *Model) doubts() []string {
	proxy, _ := m.Service(stack.Proxy, "")
	platform, _ := m.Service(stack.Platform, stack.Blue)
	return append(addressDoubts(proxy), unsetDoubts(platform)...)
}

// addressDoubts compares SITE_URL with the ports and the name under which the proxy is found. A
// TLS terminator has an address of its own, and what publishes no port is behind something else.
func addressDoubts(proxy Service) (doubts []string) {
	environment := proxy.Environment
	site, err := url.Parse(environment["SITE_URL"])
	if err != nil {
		return nil
	}
	if at := site.Scheme + " on port " + site.Port(); at == "https on port 80" || at == "http on port 443" {
		doubts = append(doubts, "SITE_URL has "+at+", which is that of the other scheme: visitors who leave out the port, or "+site.Scheme+"://, may not come there")
	}
	if site.Scheme != "https" || environment["TLS_MODE"] == stack.TLSExternal {
		return doubts
	}
	https := func(p engine.Port) bool { return fmt.Sprint(p.Container) == cmp.Or(environment["HTTPS_PORT"], "443") }
	if port := cmp.Or(site.Port(), "443"); slices.ContainsFunc(proxy.Ports, https) && !slices.ContainsFunc(proxy.Ports, func(p engine.Port) bool { return fmt.Sprint(p.Public) == port }) {
		doubts = append(doubts, fmt.Sprintf("visitors are sent to port %s, as SITE_URL says, and the proxy publishes %s (PUBLISH_HTTP, PUBLISH_HTTPS): nothing answers there unless something else leads it on",
			port, published(proxy.Ports)))
	}
	if host := environment["HOST"]; host != "" && !strings.EqualFold(host, site.Hostname()) {
		doubts = append(doubts, fmt.Sprintf("HOST is %s and SITE_URL has %s: the containers find the site by HOST alone", host, site.Hostname()))
	}
	return doubts
}

func published(ports []engine.Port) string {
	var public []string
	for _, port := range ports {
		public = append(public, fmt.Sprint(port.Public))
	}
	slices.Sort(public)
	return strings.Join(slices.Compact(public), " and ")
}

// unsetDoubts returns the variables of the functions that have no value: the deployment loses
// them, and only the log of the web application would say so.
func unsetDoubts(platform Service) (doubts []string) {
	const extra = "CONVEX_ENV_SYNC_EXTRA"
	for name := range strings.SplitSeq(platform.Environment[extra], ",") {
		name = strings.TrimSpace(name)
		if name != "" && platform.Environment[name] == "" && platform.Environment[name+"_FILE"] == "" {
			doubts = append(doubts, fmt.Sprintf("%s names %s, which has no value: the functions do not get it", extra, name))
		}
	}
	return doubts
}
