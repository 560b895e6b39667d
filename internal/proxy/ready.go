package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/proxy/certstore"
	"github.com/tale-project/tale-runtime/internal/proxy/logbridge"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

const (
	// certificateWait is far more than our own authority needs, even on a busy
	// machine with a slow disk.
	certificateWait = 15 * time.Second
	handshakePause  = 20 * time.Millisecond
)

// awaitHandshake returns when a visitor's TLS handshake for the name would succeed.
// Caddy opens its ports first and issues certificates after that.
func awaitHandshake(ctx context.Context, s *Settings, name string, root []byte) error {
	return eventually(ctx, func(ctx context.Context) error { return tlsHandshake(ctx, s, name, root) })
}

// awaitCertificates returns when every name has a certificate or is being given one.
func awaitCertificates(ctx context.Context, s *Settings) error {
	return eventually(ctx, func(ctx context.Context) error { return lostNames(certstore.States(ctx, s.CertifiedNames())).Err() })
}

// eventually returns when try succeeds, or the reason why it never did: what it met
// last, and what Caddy met with certificates.
func eventually(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, certificateWait)
	defer cancel()
	pause := time.NewTicker(handshakePause)
	defer pause.Stop()
	var met error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		var cut net.Error
		if met == nil || ctx.Err() == nil && (!errors.As(err, &cut) || !cut.Timeout()) { // the end of the wait is no cause
			met = err
		}
		select {
		case <-ctx.Done():
			if cause := logbridge.CertificateTrouble(); cause != "" {
				met = fmt.Errorf("%w; %s", met, cause)
			}
			return met
		case <-pause.C:
		}
	}
}

// tlsHandshake greets the site as a visitor would who trusts the root.
func tlsHandshake(ctx context.Context, s *Settings, name string, root []byte) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: name}}
	address := siteAddress(s)
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("cannot complete a TLS handshake for %s at %s: %w", name, address, err)
	}
	return conn.Close()
}

// siteAddress returns where the site can be reached from inside the container.
func siteAddress(s *Settings) string {
	port := s.HTTPSPort
	if s.TLSMode == stack.TLSExternal {
		port = s.HTTPPort
	}
	return httpclient.LocalAddr(net.JoinHostPort(s.BindAddress, strconv.Itoa(port)))
}

// checkHealth asks a running proxy, as a container's health check does: its
// health port must answer, every name must have a certificate or be given one, and
// the site's port must be open, with a certificate where that does not depend on
// others. Upstreams are not looked at. It returns what the health port says.
func checkHealth(ctx context.Context, s *Settings) (string, error) {
	url := "http://" + httpclient.LocalAddr(s.HealthAddr) + routes.HealthPath + "?ready"
	said, err := health.NewProber().Get(ctx, url)
	if err != nil {
		return "", fmt.Errorf("cannot confirm that the proxy is healthy: %s: %s", url, netcause.Reason(err))
	}
	return said, checkSitePort(ctx, s)
}

func checkSitePort(ctx context.Context, s *Settings) error {
	if names := s.LocalNames(); len(names) > 0 {
		root, err := readRoot(s)
		if err != nil {
			return err
		}
		return tlsHandshake(ctx, s, names[0], root)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", siteAddress(s))
	if err != nil {
		return fmt.Errorf("cannot connect to the site's port: %w", err)
	}
	return conn.Close()
}
