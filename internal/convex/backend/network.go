package backend

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint/portcheck"
)

// Network says what listens where, and how functions call it.
type Network struct {
	BackendPort int    `env:"CONVEX_BACKEND_PORT" tier:"advanced" envDefault:"3210" doc:"Port of the backend API." accept:"a port from 1 to 65535"`
	SitePort    int    `env:"CONVEX_SITE_PROXY_PORT" tier:"advanced" envDefault:"3211" doc:"Port of the HTTP actions." accept:"a port from 1 to 65535"`
	Interface   string `env:"CONVEX_INTERFACE" tier:"advanced" envDefault:"0.0.0.0" doc:"IPv4 address the backend and the dashboard listen on. The backend calls itself on 127.0.0.1, so another address breaks HTTP actions." accept:"0.0.0.0 or 127.0.0.1"`
	CloudOrigin string `env:"CONVEX_CLOUD_ORIGIN" tier:"advanced" doc:"Origin of the backend as functions see it: CONVEX_CLOUD_URL, storage URLs, callbacks of node actions. Default: the loopback address, which always works from inside; Tale's functions make public URLs from SITE_URL themselves." accept:"an absolute URL without a trailing /"`
	SiteOrigin  string `env:"CONVEX_SITE_ORIGIN" tier:"advanced" doc:"Origin of the HTTP actions as functions see it: CONVEX_SITE_URL, the issuer of tokens. Default: the loopback address." accept:"an absolute URL without a trailing /"`
}

// Validate reports ports, addresses and origins that cannot be used.
func (n Network) Validate() config.Problems {
	problems := config.CheckPort("CONVEX_BACKEND_PORT", n.BackendPort)
	problems = append(problems, config.CheckPort("CONVEX_SITE_PROXY_PORT", n.SitePort)...)
	problems = append(problems, config.CheckOneOf("CONVEX_INTERFACE", n.Interface, "0.0.0.0", "127.0.0.1")...)
	problems = append(problems, checkOrigin("CONVEX_CLOUD_ORIGIN", n.CloudOrigin)...)
	return append(problems, checkOrigin("CONVEX_SITE_ORIGIN", n.SiteOrigin)...)
}

// checkOrigin reports an origin that would give broken URLs: the backend puts
// paths right behind it.
func checkOrigin(variable, origin string) config.Problems {
	if origin == "" {
		return nil
	}
	if problems := config.CheckHTTPURL(variable, origin); len(problems) > 0 {
		return problems
	}
	u, err := url.Parse(origin)
	if err != nil || strings.HasSuffix(origin, "/") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return config.Problems{{Variable: variable, Wrong: "has more than scheme, host and path, or ends with /", Accepted: "an absolute URL without a trailing /"}}
	}
	return nil
}

// origins returns what functions see as CONVEX_CLOUD_URL and CONVEX_SITE_URL. They
// default to the loopback address and not to SITE_URL: node actions call the first
// and tokens are verified at the second from inside the container, where the public
// name may be out of reach or its certificate not trusted; and Tale's functions turn
// storage URLs into public ones with SITE_URL themselves. Both are always passed, as
// the backend refuses one without the other.
func (n Network) origins() (cloud, site string) {
	cloud, site = n.CloudOrigin, n.SiteOrigin
	if cloud == "" {
		cloud = fmt.Sprintf("http://127.0.0.1:%d", n.BackendPort)
	}
	if site == "" {
		site = fmt.Sprintf("http://127.0.0.1:%d", n.SitePort)
	}
	return cloud, site
}

// URL returns where the backend answers us.
func (n Network) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", n.BackendPort) }

// CheckPortsFree reports another process on the ports, which would otherwise end the
// children again and again.
func (n Network) CheckPortsFree(ctx context.Context) error {
	at := func(variable string, port int) portcheck.Port {
		return portcheck.Port{Variable: variable, Network: "tcp4", Address: net.JoinHostPort(n.Interface, strconv.Itoa(port))}
	}
	return portcheck.Free(ctx, at("CONVEX_BACKEND_PORT", n.BackendPort), at("CONVEX_SITE_PROXY_PORT", n.SitePort))
}
