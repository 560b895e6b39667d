package header

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// claims are headers, by folded name, by which a proxy tells the application who
// asks, from where and for what; true: for which path.
type claims map[string]bool

// claimNames and claimPrefixes are the usual ones: of sign-in proxies (Authelia,
// Authentik, oauth2-proxy, Pomerium, mod_auth_openidc), of clouds and CDNs, and
// what frameworks read an address, a host, a URL or a method from.
var (
	claimNames = []string{
		"forwarded", "forwarded-for", "proxy", "front-end-https",
		"client-ip", "true-client-ip", "proxy-client-ip", "do-connecting-ip", "incap-client-ip", "ali-cdn-real-ip", "cdn-src-ip",
		"x-proxyuser-ip", "x-originating-ip", "x-nf-client-connection-ip", "x-sucuri-clientip",
		"x-host", "x-http-host-override", "x-scheme", "x-url-scheme",
		"x-http-method", "x-http-method-override", "x-method-override",
		"x-user", "x-email", "x-groups", "x-auth-user", "x-auth-username", "x-auth-email", "x-auth-name", "x-auth-groups", "x-auth-roles", "auth-user",
		"x-userinfo", "x-true-client-ip", "x-custom-ip-authorization", "eo-connecting-ip", "ali-real-client-ip",
	}
	claimPrefixes = []string{
		"remote-", "x-remote-", "x-forward", "x-original-", "x-real-", "x-client-", "x-cluster-", "x-ssl-", "ssl-client-",
		"x-auth-request-", "x-authentik-", "x-authelia-", "x-pomerium-", "x-webauth-", "x-vouch-", "x-ms-client-principal", "x-ms-token-",
		"x-goog-iap-", "x-goog-authenticated-user-", "x-amzn-oidc-", "oidc-claim-", "tailscale-", "x-consumer-", "x-credential-", "x-authenticated-", "shib-",
		"cf-", "cloudfront-", "fastly-", "fly-", "wl-proxy-", "x-arr-", "x-azure-", "x-appengine-", "x-envoy-", "x-vercel-",
	}
)

// pathNames are headers in which one server or another looks for the path of a
// request: those of IIS and its imitators, of Envoy, Traefik and ingress controllers,
// of frameworks and gunicorn that are told their own prefix, of Rack for files, and of
// frameworks for their own use (Next.js asks a Location itself where a middleware returns
// the headers of the request). A terminator in front passes on what a visitor sends, so no
// peer is trusted with them.
var pathNames = []string{
	"x-rewrite-url", "x-override-url", "x-waws-unencoded-url", "x-http-destinationurl",
	"x-envoy-original-path", "x-replaced-path", "x-request-uri", "request-uri", "x-forwarded-pathbase", "x-script-name", "script-name", "x-path-info", "path-info",
	"x-matched-path", "x-now-route-matches", "next-resume", "x-next-resume-state-length", "x-astro-path", "x-astro-locals",
	"x-sendfile-type", "x-accel-mapping", "location",
}

// pathFamilies begin the names that frameworks keep for what one part of theirs tells
// another: which handler answers, in which way, with which headers. One of them is sent by a
// client: Next.js asks with it for what a page will need.
var (
	pathFamilies = []string{"x-middleware-", "x-invoke-", "x-react-router-"}
	clientsOwn   = "x-middleware-prefetch"
)

// pathBegins and pathEnds are what other such names consist of, with or without a word
// between the two.
var (
	pathBegins = []string{"x-forwarded-", "x-original-", "x-ms-original-"}
	pathEnds   = []string{"-url", "-uri", "-path", "-prefix"}
)

func newClaims(more []string) claims {
	c := claims{}
	for _, name := range slices.Concat(claimNames, more) {
		c[string(fold(nil, name))] = false
	}
	for _, name := range pathNames {
		c[name] = true
	}
	return c
}

// remove deletes the claims. Those of a trusted peer stay, but for the path, and for
// spellings that only fold to the name: the peer may have removed the usual one alone.
func (c claims) remove(header http.Header, trusted bool) {
	for name := range header {
		if claim, path := c.has(name); path || claim && (!trusted || strings.Trim(name, nameCharacters) != "") {
			delete(header, name)
		}
	}
}

// has reports whether the name is a claim's, in any spelling, and one for the path.
func (c claims) has(name string) (claim, path bool) {
	var buffer [64]byte
	folded := fold(buffer[:0], name)
	if path, claim = c[string(folded)]; claim {
		return claim, path
	}
	begins := func(prefix string) bool { return bytes.HasPrefix(folded, []byte(prefix)) }
	ends := func(suffix string) bool { return bytes.HasSuffix(folded, []byte(suffix)) }
	path = slices.ContainsFunc(pathBegins, begins) && slices.ContainsFunc(pathEnds, ends) ||
		slices.ContainsFunc(pathFamilies, begins) && string(folded) != clientsOwn
	return path || slices.ContainsFunc(claimPrefixes, begins), path
}

const nameCharacters = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// fold appends the name as the most lenient server reads it: CGI and its kin make
// one character of all but letters and digits, and have no case.
func fold(to []byte, name string) []byte {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			to = append(to, c)
		case 'A' <= c && c <= 'Z':
			to = append(to, c+'a'-'A')
		default:
			to = append(to, '-')
		}
	}
	return to
}
