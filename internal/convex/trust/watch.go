package trust

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

const (
	// askEvery is how often the proxy is asked to make its root certificate.
	askEvery = 2 * time.Second
	// lookFast and lookSlow are the pauses between two looks at the root
	// certificate: while it is waited for, and later. Its folder may not exist
	// yet, so there is nothing to be notified by.
	lookFast = 250 * time.Millisecond
	lookSlow = 5 * time.Second
)

// Start watches the proxy's root certificate until the returned function is
// called or ctx ends. Where no bundle is needed it does nothing.
func (b *Bundle) Start(ctx context.Context) (stop func()) {
	if !b.Needed() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { b.watch(ctx) })
	return func() {
		cancel()
		watch.Wait()
	}
}

// Changed receives when a watched bundle has got another root.
func (b *Bundle) Changed() <-chan struct{} { return b.changed }

// watch keeps the bundle up to date until ctx ends. While the root is missing it
// asks the proxy for it, for the settings' time; then it warns once and keeps
// looking.
func (b *Bundle) watch(ctx context.Context) {
	waitingSince, warned, asked := time.Now(), false, time.Time{}
	for {
		present, changed, err := b.Refresh()
		switch {
		case err != nil:
			b.log.Warn("cannot keep the certificate bundle up to date", "error", err)
		case changed && present:
			b.log.Info("the proxy's root certificate is new", "bundle", b.path)
			select {
			case b.changed <- struct{}{}:
			default: // the last change has not been received either
			}
		}
		next, waiting := lookSlow, !present && time.Since(waitingSince) < b.settings.CAWaitTimeout
		switch {
		case present:
			waitingSince, warned = time.Now(), false
		case waiting:
			next = lookFast
		case !warned:
			warned = true
			b.log.Warn("the proxy's root certificate has not appeared; functions that fetch the public URL fail until it does",
				"path", b.settings.CACertPath, "waited", b.settings.CAWaitTimeout,
				"fix", "start the proxy and share its data volume, or set TLS_MODE to what the proxy uses")
		}
		if waiting && time.Since(asked) >= askEvery {
			asked = time.Now()
			b.askProxy(ctx)
		}
		if !pause.For(ctx, next) {
			return
		}
	}
}

// askProxy sends any request over https: some proxies make their root with the
// first handshake. The certificate is not verified, because its authority is
// still missing; only the request is sent.
func (b *Bundle) askProxy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askEvery)
	defer cancel()
	client := httpclient.New(&http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		DisableKeepAlives: true,
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+stack.InURL(b.site.Address().Name)+"/health", nil)
	if err != nil {
		b.log.Debug("cannot ask the proxy for its root certificate", "error", err)
		return
	}
	response, err := client.Do(request)
	if err != nil {
		b.log.Debug("the proxy does not answer", "error", err)
		return
	}
	_ = response.Body.Close()
}
