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
)

const (
	// certificateWait is far more than our own authority needs, even on a busy
	// machine with a slow disk.
	certificateWait = 15 * time.Second
	handshakePause  = 20 * time.Millisecond
)

// awaitCertificate returns when a visitor's TLS handshake with the site would
// succeed. Caddy opens its ports first and issues certificates after that.
func (s *Settings) awaitCertificate(ctx context.Context, root []byte) error {
	ctx, cancel := context.WithTimeout(ctx, certificateWait)
	defer cancel()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: s.site().host}}
	address := health.LocalAddr(net.JoinHostPort(s.BindAddress, strconv.Itoa(s.HTTPSPort)))
	pause := time.NewTicker(handshakePause)
	defer pause.Stop()
	for {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot complete a TLS handshake with the site at %s: %w", address, errors.Join(err, ctx.Err()))
		case <-pause.C:
		}
	}
}
