package stack

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Start are the settings of those who start the stack, tale and docker compose; no
// service reads them.
type Start struct {
	PublishHTTP  string `env:"PUBLISH_HTTP" tier:"operator" envDefault:"80" doc:"Port of the host for http." accept:"a port, with an address of the host before it where it is to be there alone: 8080, 127.0.0.1:8080"`
	PublishHTTPS string `env:"PUBLISH_HTTPS" tier:"operator" envDefault:"443" doc:"Port of the host for https. Another one than 443 belongs into SITE_URL, too." accept:"a port, with an address of the host before it where it is to be there alone: 8443, 127.0.0.1:8443"`
	Registry     string `env:"TALE_REGISTRY" tier:"operator" doc:"Where tale finds the images of the services: REGISTRY/tale-SERVICE:VERSION." accept:"a registry, with a path"`
	OldRegistry  string `env:"GHCR_REGISTRY" tier:"advanced" doc:"Older name of TALE_REGISTRY, which wins over it." accept:"a registry, with a path"`
}

// Validate returns what docker compose could not publish.
func (s Start) Validate() (problems config.Problems) {
	for _, publish := range []struct{ name, at string }{{PublishHTTP, s.PublishHTTP}, {PublishHTTPS, s.PublishHTTPS}} {
		if !isHostPort(publish.at) {
			problems = append(problems, config.Problem{Variable: publish.name, Wrong: fmt.Sprintf("%q is no port of the host", publish.at), Accepted: HostPort})
		}
	}
	return problems
}

// HostPort says what is taken for a port of the host.
const HostPort = "a port such as 8443, or an address with one such as 127.0.0.1:8443"

// isHostPort reports whether a text looks to compose like a port or a range of ports, maybe
// after an address. Whether they fit what is published there, compose itself says; that it takes
// 0 and nothing for any port that is free is of no use to a site.
func isHostPort(at string) bool {
	host, ports := "", at
	if i := strings.LastIndexByte(at, ':'); i >= 0 {
		host, ports = strings.Trim(at[:i], "[]"), at[i+1:]
	}
	if host != "" && net.ParseIP(host) == nil {
		return false
	}
	for port := range strings.SplitSeq(ports, "-") {
		if number, err := strconv.Atoi(port); err != nil || number < 1 || number > math.MaxUint16 {
			return false
		}
	}
	return true
}
