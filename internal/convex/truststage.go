package convex

import (
	"context"
	"sync"
)

// watchTrust begins to look for the proxy's root certificate, so that it may be
// there before anybody needs it, and returns the function that ends that.
func (b *Boot) watchTrust(ctx context.Context) (stop func()) {
	if !b.trust.Needed() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		b.trust.Watch(ctx, func() {
			select {
			case b.renewed <- struct{}{}:
			default: // it is known already
			}
		})
	})
	return func() {
		cancel()
		watch.Wait()
	}
}

// prepareTrust brings the bundle up to date for the children's start.
func (b *Boot) prepareTrust(context.Context) (string, error) {
	if !b.trust.Needed() {
		b.Skip(stageTrust, "TLS_MODE="+b.settings.Site.TLSMode)
		return "the system's authorities", nil
	}
	present, _, err := b.trust.Refresh()
	switch {
	case err != nil:
		// A site that cannot be fetched from inside is better than none.
		b.log.Warn("the children will not trust the proxy's own authority", "error", err)
		return "the system's authorities", nil
	case present:
		return "the system's authorities and the proxy's root", nil
	default:
		return "the system's authorities; the proxy's root is not there yet and is looked for meanwhile", nil
	}
}
