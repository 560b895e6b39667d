package proxy

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// claimed are headers that only a proxy may set; the last four by configuration.
var claimed = []string{
	"Remote-User", "Remote-Email", "Remote-Groups", "Remote-Name", "Remote-Addr", "X-Remote-User",
	"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Uri", "X-Forwarded-Port", "X-Forwarded",
	"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Access-Token", "X-Authentik-Username", "X-WebAuth-User", "X-Pomerium-Jwt-Assertion",
	"Tailscale-User-Login", "OIDC-Claim-Email", "X-Amzn-Oidc-Identity", "X-Goog-Authenticated-User-Email", "X-MS-Client-Principal-Name",
	"Forwarded", "Proxy", "Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP", "CF-IPCountry", "Fastly-Client-IP", "Fly-Client-IP",
	"WL-Proxy-Client-IP", "Proxy-Client-IP", "X-Azure-ClientIP", "X-Envoy-External-Address", "X-Original-Forwarded-For", "X-Original-URL", "X-Rewrite-URL",
	"X-Host", "X-Original-Host", "X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "Front-End-Https", "X-Real-IP-Original", "SSL-Client-Cert", "X-SSL-Client-Cert",
	"X-Forward-For", "X-Consumer-Username", "X-Credential-Identifier", "X-Authenticated-Userid", "X-Userinfo", "Shib-Session-ID", "CloudFront-Forwarded-Proto", "X-True-Client-IP",
	"X-Tale-Email", "X-Tale-Name", "Role-of-User", "TaleTeams",
}

// otherPaths are headers in which a server would look for another path, which nobody
// may name.
var otherPaths = []string{
	"X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Forwarded-PathBase", "X-Envoy-Original-Path",
	"X-Original-Path", "X-Original-Request-Uri", "X-Forwarded-Url", "X-Forwarded-Request-Uri", "X-Ms-Original-Url",
	"Script-Name", "X-Script-Name", "Path-Info", "X-Matched-Path", "X-Invoke-Path", "X-Invoke-Status", "Next-Resume", "X-Next-Resume-State-Length", "X-Middleware-Rewrite", "X-Middleware-Subrequest",
	"X-Middleware-Request-Cookie", "X-Middleware-Anything", "X-Invoke-Query", "X-React-Router-Prerender-Data", "X-React-Router-SPA-Mode", "X-Astro-Path", "X-Sendfile-Type", "X-Accel-Mapping", "Location",
}

func trustedHeaders() config.Environ {
	return config.Environ{"TRUSTED_EMAIL_HEADER": "X-Tale-Email", "TRUSTED_NAME_HEADER": "x-tale-name", "TRUSTED_ROLE_HEADER": "Role-of-User", "TRUSTED_TEAMS_HEADER": "TaleTeams"}
}

// spellings returns names that some server reads as one: in any case, and with
// anything between the words.
func spellings(name string, random *rand.Rand) []string {
	between := strings.Split("-_!#$%&'*+.^`|~", "")
	spell := func(separator func() string) string {
		return mixedCase(strings.Join(strings.FieldsFunc(name, func(c rune) bool { return c == '-' }), "\x00"), separator, random)
	}
	all := []string{name, strings.ToLower(name), strings.ToUpper(name)}
	for _, separator := range between {
		all = append(all, spell(func() string { return separator }))
	}
	for range 4 {
		all = append(all, spell(func() string { return between[random.IntN(len(between))] }))
	}
	return all
}

func mixedCase(name string, separator func() string, random *rand.Rand) string {
	var out strings.Builder
	for _, c := range name {
		switch {
		case c == 0:
			out.WriteString(separator())
		case random.IntN(2) == 0:
			out.WriteString(strings.ToUpper(string(c)))
		default:
			out.WriteString(strings.ToLower(string(c)))
		}
	}
	return out.String()
}

// dump answers with all that arrived, a socket's handshake too.
func dump(t *testing.T) string {
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for name, values := range r.Trailer {
			r.Header[name] = append(r.Header[name], values...)
		}
		if r.Header.Get("Upgrade") != "" {
			w.WriteHeader(http.StatusForbidden)
		}
		_ = json.NewEncoder(w).Encode(seen{On: "dump", Header: r.Header})
	}))
}

// to returns how a request of HTTP/1.1 comes to a route.
func to(target, host string, more ...string) func(p *running, names []string) seen {
	return func(p *running, names []string) seen {
		return echoed(p.T, p.raw("GET "+target+" HTTP/1.1\nHost: "+host+"\n"+strings.Join(append(more, ""), "\n")+lines(names)+"\n"))
	}
}

// ways are how a request with headers comes to the proxy.
var ways = map[string]func(p *running, names []string) seen{
	"HTTP/1.1": func(p *running, names []string) seen {
		return echoed(p.T, p.raw("GET /x HTTP/1.1\nHost: site.test\n"+lines(names)+"\n"))
	},
	"HTTP actions":             to("/api/x", siteName),
	"the HTTP-action port":     to("/http_api/x", siteName),
	"storage":                  to("/api/storage/x", siteName),
	"the client library":       to("/ws_api/api/query", siteName),
	"the dashboard":            to("/convex-dashboard/x", siteName),
	"an extra site":            to("/x", docsName),
	"an extra site's api":      to("/api/1.2.3/sync", docsName),
	"an upgrade without sense": to("/x", siteName, "Connection: Upgrade, X-Ordinary-Too", "Upgrade: h2c"),
	"trailers": func(p *running, names []string) seen {
		return echoed(p.T, p.raw("POST /x HTTP/1.1\nHost: site.test\nX-Ordinary: canary\nTE: trailers\nTrailer: X-Ordinary, "+strings.Join(names, ", ")+"\nTransfer-Encoding: chunked\n\n2\nok\n0\n"+lines(names)+"\n"))
	},
	"unannounced trailers": func(p *running, names []string) seen {
		return echoed(p.T, p.raw("POST /x HTTP/1.1\nHost: site.test\nX-Ordinary: canary\nTrailer: X-Ordinary\nTransfer-Encoding: chunked\n\n2\nok\n0\n"+lines(names)+"\n"))
	},
	"socket": func(p *running, names []string) seen {
		return echoed(p.T, p.raw("GET /api/1.2.3/sync HTTP/1.1\nHost: site.test\nConnection: Upgrade\nUpgrade: websocket\n"+strings.ReplaceAll(handshake, "\r", "")+lines(names)+"\n"))
	},
	"HTTP/2": func(p *running, names []string) seen {
		return p.bodyOf(append([]field{{":method", "GET"}, {":scheme", "https"}, {":authority", siteName}, {":path", "/x"}}, fields(names)...))
	},
	"HTTP/3": func(p *running, names []string) seen {
		request, _ := http.NewRequestWithContext(p.Context(), http.MethodGet, "https://"+siteName+"/x", nil)
		request.Header = headerOf(names)
		response, err := p.overHTTP3(siteName).RoundTrip(request)
		if err != nil {
			p.Fatal(err)
		}
		return echoed(p.T, response)
	},
	"socket over HTTP/3": func(p *running, names []string) (got seen) {
		stream, response := p.connectOverHTTP3("/api/1.2.3/sync", headerOf(names))
		body, _ := io.ReadAll(stream)
		if err := json.Unmarshal(body, &got); err != nil {
			p.Errorf("%d: %v: %s", response.StatusCode, err, body)
		}
		return got
	},
}

func lines(names []string) string {
	var text strings.Builder
	for _, name := range names {
		text.WriteString(name + ": canary\n")
	}
	return text.String()
}

func fields(names []string) (all []field) {
	for _, name := range names {
		all = append(all, field{strings.ToLower(name), "canary"})
	}
	return all
}

func headerOf(names []string) http.Header {
	header := http.Header{}
	for _, name := range names {
		header[name] = []string{"canary"}
	}
	return header
}

func TestVisitorsCannotClaim(t *testing.T) {
	address := dump(t)
	env := trustedHeaders()
	env["HTTP3"], env["PLATFORM_UPSTREAM"], env["CONVEX_UPSTREAM"], env["DASHBOARD_UPSTREAM"] = "on", address, address, address
	env["EXTRA_SITES"] = docsName + "=" + address
	p := start(t, env)
	random := rand.New(rand.NewPCG(3, 4))
	var all []string
	for _, name := range slices.Concat(claimed, otherPaths) {
		all = append(all, spellings(name, random)...)
	}
	for way, send := range ways {
		t.Run(way, func(t *testing.T) {
			for names := range slices.Chunk(all, 60) {
				p.T = t
				got := send(p, append(slices.Clone(names), "X-Ordinary"))
				if got.On == "" || got.Header.Get("X-Ordinary") == "" {
					t.Fatalf("%q arrived as %+v", names, got)
				}
				for name, values := range got.Header {
					if name != "X-Ordinary" && slices.Contains(values, "canary") {
						t.Errorf("%s arrived", name)
					}
				}
			}
		})
	}
}

// The clients of frameworks send headers of their own, which are no claims.
func TestClientsOfFrameworksKeepTheirHeaders(t *testing.T) {
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": dump(t)})
	names := []string{
		"Rsc", "Next-Router-State-Tree", "Next-Router-Prefetch", "Next-Router-Segment-Prefetch", "Next-Url", "Next-Action", "X-Nextjs-Data", "X-Middleware-Prefetch",
		"X-Deployment-Id", "X-Sveltekit-Pathname", "X-Tsr-Serverfn", "X-Inertia", "Hx-Request", "Purpose",
	}
	for _, way := range []string{"HTTP/1.1", "HTTP/2"} {
		for _, name := range names {
			if got := ways[way](p, []string{name}); got.Header.Get(name) != "canary" {
				t.Errorf("%s over %s: %v", name, way, got.Header)
			}
		}
	}
}

// A trusted peer's claims arrive as they are spelled in its own documentation;
// what it may have overlooked of a visitor's does not.
func TestTrustedPeersMayClaim(t *testing.T) {
	env := trustedHeaders()
	env["TLS_MODE"], env["PLATFORM_UPSTREAM"] = stack.TLSExternal, dump(t)
	p := start(t, env)
	random := rand.New(rand.NewPCG(5, 6))
	for _, name := range slices.Concat(claimed, otherPaths) {
		namesPath := slices.Contains(otherPaths, name)
		got := echoed(t, p.raw("GET /x HTTP/1.1\nHost: site.test\n"+lines([]string{name})+"\n"))
		if namesPath == (got.Header.Get(name) == "canary") {
			t.Errorf("%s arrived, or did not: %v", name, got.Header)
		}
		for _, other := range spellings(name, random) {
			if !namesPath && (strings.EqualFold(name, other) || !strings.ContainsAny(other, "_!#$%&'*+.^`|~")) {
				continue
			}
			if got = echoed(t, p.raw(fmt.Sprintf("GET /x HTTP/1.1\nHost: site.test\n%s: canary\n\n", other))); got.On == "" || got.Header.Get(other) != "" {
				t.Errorf("%s arrived as %s: %v", name, other, got.Header)
			}
		}
	}
}
