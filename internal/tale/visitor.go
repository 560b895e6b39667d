package tale

import (
	"context"
	"crypto/x509"
	"net"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// visitor returns who asks for the site as the public does, at the port that the proxy
// publishes, or at the container itself where it publishes none.
func (s *session) visitor(ctx context.Context, proxy engine.Container) (*site.Visitor, error) {
	settings := stack.Site{}
	if err := config.Load(&settings, s.settings.Environ()); err != nil {
		return nil, err
	}
	address := settings.Address()
	options := site.Options{URL: address.URL()}
	port := stack.HTTPSPort
	if settings.TLSMode == stack.TLSExternal {
		// The terminator in front is not asked: it may not be up to this release.
		port, options.URL = stack.HTTPPort, "http://"+address.Authority()+address.Base
	}
	options.Connect = publishedAt(proxy, port)
	if settings.TLSMode == stack.TLSSelfSigned {
		root, err := s.engine.ReadFile(ctx, proxy.ID, "/ca/root.crt")
		if err != nil {
			options.Blind = true // another make of proxy, which does not show its authority
		}
		options.Roots = x509.NewCertPool()
		options.Roots.AppendCertsFromPEM(root)
	}
	return site.New(options), nil
}

// publishedAt returns where a port of a container can be reached from this host.
func publishedAt(c engine.Container, port int) string {
	for _, published := range c.Ports {
		if published.Container != port || published.Protocol == "udp" {
			continue
		}
		return published.Address()
	}
	for _, address := range c.Addresses {
		if address != "" {
			return net.JoinHostPort(address, strconv.Itoa(port))
		}
	}
	return ""
}
