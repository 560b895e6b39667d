package trust

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"github.com/tale-project/tale-runtime/internal/httpclient"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

const (
	// pokeEvery is how often the proxy is asked to make its root certificate.
	pokeEvery = 2 * time.Second
	// lookFast and lookSlow are the pauses between two looks at the root
	// certificate: while it is being waited for, and later. The folder it will
	// be in need not exist yet, so there is nothing to be notified by.
	lookFast = 250 * time.Millisecond
	lookSlow = 5 * time.Second
)

// Watch keeps the bundle up to date until ctx ends, and calls changed after
// each change. While the root is missing it asks the proxy for it, for the
// settings' time; then it says so and keeps looking quietly.
func (b *Bundle) Watch(ctx context.Context, changed func()) {
	waitingSince, warned, poked := time.Now(), false, time.Time{}
	for {
		present, isNew, err := b.Refresh()
		switch {
		case err != nil:
			b.log.Warn("cannot keep the certificate bundle up to date", "error", err)
		case isNew && present:
			b.log.Info("the proxy's root certificate is new", "bundle", b.path)
			changed()
		}
		waiting := !present && time.Since(waitingSince) < b.settings.CAWaitTimeout
		if present {
			waitingSince, warned = time.Now(), false
		} else if !waiting && !warned {
			warned = true
			b.log.Warn("the proxy's root certificate has not appeared; functions that fetch the public URL fail until it does",
				"path", b.settings.CACertPath, "waited", b.settings.CAWaitTimeout,
				"fix", "start the proxy and share its data volume, or set TLS_MODE to what the proxy uses")
		}
		if waiting && time.Since(poked) >= pokeEvery {
			poked = time.Now()
			b.poke(ctx)
		}
		if !pause.For(ctx, b.pause(waiting)) {
			return
		}
	}
}

func (b *Bundle) pause(waiting bool) time.Duration {
	if waiting {
		return lookFast
	}
	return lookSlow
}

// poke asks the proxy for anything over https: some proxies make their root
// with the first handshake. The certificate is not checked, as it is the very
// thing that nobody can check yet; nothing is sent but the request.
func (b *Bundle) poke(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pokeEvery)
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
		b.log.Debug("the proxy does not answer yet", "error", err)
		return
	}
	_ = response.Body.Close()
}
