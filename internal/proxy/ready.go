package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
)

const (
	// certificateWait is far more than our own authority needs, even on a busy
	// machine with a slow disk.
	certificateWait = 15 * time.Second
	handshakePause  = 20 * time.Millisecond
)

// awaitCertificate returns when a visitor's TLS handshake for the name would
// succeed. Caddy opens its ports first and issues certificates after that.
func (s *Settings) awaitCertificate(ctx context.Context, name string, root []byte) error {
	ctx, cancel := context.WithTimeout(ctx, certificateWait)
	defer cancel()
	pause := time.NewTicker(handshakePause)
	defer pause.Stop()
	for {
		err := s.handshake(ctx, name, root)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-pause.C:
		}
	}
}

// handshake greets the site as a visitor would who trusts the root.
func (s *Settings) handshake(ctx context.Context, name string, root []byte) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: name}}
	address := s.siteAddress()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("cannot complete a TLS handshake for %s at %s: %w", name, address, err)
	}
	return conn.Close()
}

// siteAddress is where the site can be reached from inside the container.
func (s *Settings) siteAddress() string {
	port := s.HTTPSPort
	if s.TLSMode == tlsExternal {
		port = s.HTTPPort
	}
	return health.LocalAddr(net.JoinHostPort(s.BindAddress, strconv.Itoa(port)))
}

// checkHealth asks a running proxy, as a container's health check does: its
// health port must answer and the site's port must be open, with a certificate
// where that does not depend on others. Upstreams are not looked at.
func (s *Settings) checkHealth(ctx context.Context) error {
	url := "http://" + health.LocalAddr(s.HealthAddr) + healthPath
	if _, err := health.NewProber().Get(ctx, url); err != nil {
		return fmt.Errorf("cannot confirm that the proxy is healthy: %s: %w", url, err)
	}
	if names := s.localNames(); len(names) > 0 {
		root, err := s.readRoot()
		if err != nil {
			return err
		}
		return s.handshake(ctx, names[0], root)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.siteAddress())
	if err != nil {
		return fmt.Errorf("cannot connect to the site's port: %w", err)
	}
	return conn.Close()
}
