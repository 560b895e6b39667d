package convex

import "context"

// prepareTrust brings the bundle up to date for the children's start.
func (b *Boot) prepareTrust(context.Context) (string, error) {
	if !b.trust.Needed() {
		b.Skip(stageTrust, "TLS_MODE="+b.settings.Site.TLSMode)
		return "the system's authorities", nil
	}
	present, _, err := b.trust.Refresh()
	switch {
	case err != nil:
		// Functions that cannot fetch the site are better than no backend.
		b.log.Warn("the children will not trust the proxy's own authority", "error", err)
		return "the system's authorities", nil
	case present:
		return "the system's authorities and the proxy's root", nil
	default:
		return "the system's authorities; the proxy's root is missing and looked for meanwhile", nil
	}
}
