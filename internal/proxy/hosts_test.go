package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
)

// hostPieces are put behind the name of the site, where Caddy's matcher sees a port.
var hostPieces = []string{
	":", ":", ":", ":1", ":443", "@", "@evil.test", "evil.test", "/", "/x", "//", "?", "?x", "#", "\\", " ", "\t", ",", ";", "%2f", "%40", "%00", "[", "]", "[::1]", ".", "-1", "x", "\"", "<", "'", "`", "{", "|", "^", "é", "\xff", "999999",
}

// hosts returns names that begin with the site's.
func hosts(random *rand.Rand, count int) []string {
	all := []string{siteName, siteName + ":443", siteName + ":1@evil.test", siteName + ":@evil.test/", siteName + ":1/x", siteName + ":443?", siteName + ":443,evil.test", siteName + ":1;evil.test", siteName + "]"}
	for len(all) < count {
		pieces := []string{siteName}
		for range 1 + random.IntN(4) {
			pieces = append(pieces, hostPieces[random.IntN(len(hostPieces))])
		}
		all = append(all, strings.Join(pieces, ""))
	}
	return all
}

var ownHost = regexp.MustCompile(`^site\.test(:[0-9]*)?$`)

// An application makes addresses of the host: in mails, in redirects, for what it asks of
// itself. A visitor who could put another one behind the site's name would get those; some
// applications read X-Forwarded-Host as a list, of which the last is the one.
func TestNoVisitorPutsAnotherHostBehindTheName(t *testing.T) {
	strict, address := startStrict(t)
	p := start(t, config.Environ{"HTTP3": "on", "PLATFORM_UPSTREAM": address, "CONVEX_UPSTREAM": address, "DASHBOARD_UPSTREAM": address, "ASSETS_CACHE": "0"})
	over3 := &rawHTTP3{running: p}
	all := hosts(rand.New(rand.NewPCG(7, 8)), 200)
	schemes := []string{"https", "http", "x"} // of other schemes HTTP/3 does not know the form of a host
	socket := []field{{":method", "CONNECT"}, {":protocol", "websocket"}, {":path", "/api/1.2.3/sync"}, {"sec-websocket-version", "13"}}
	for way, send := range map[string]func(host, scheme string){
		"HTTP/1.1": func(host, _ string) { p.sendHost(host) },
		"HTTP/2": func(host, scheme string) {
			p.sendFields([]field{{":method", "GET"}, {":scheme", scheme}, {":authority", host}, {":path", "/x"}})
		},
		"HTTP/3": func(host, scheme string) {
			over3.send([]field{{":method", "GET"}, {":scheme", scheme}, {":authority", host}, {":path", "/x"}}, "")
		},
		"HTTP/3, in a header": func(host, scheme string) {
			over3.send([]field{{":method", "GET"}, {":scheme", scheme}, {":path", "/x"}, {"host", host}}, "")
		},
		"a socket over HTTP/3": func(host, scheme string) {
			over3.send(slices.Concat(socket[:2], []field{{":scheme", scheme}, {":authority", host}}, socket[2:]), "")
		},
	} {
		t.Run(way, func(t *testing.T) {
			for _, host := range all {
				for _, scheme := range schemes {
					send(host, scheme)
				}
			}
			heads, faults := strict.take()
			for _, fault := range faults {
				t.Error(fault)
			}
			for _, head := range heads {
				fields, err := fieldsOf(head)
				if err != nil {
					continue // a fault
				}
				for _, name := range []string{"host", "x-forwarded-host"} {
					if said := strings.Join(fields[name], ", "); !ownHost.MatchString(said) {
						t.Errorf("%s: %q", name, said)
					}
				}
			}
			t.Logf("%d of %d arrived", len(heads), len(all)*len(schemes))
			if len(heads) < 2 {
				t.Error("that says nothing")
			}
		})
	}
}

// sendHost sends one request over HTTP/1.1 on a connection of its own.
func (p *running) sendHost(host string) {
	p.Helper()
	conn := p.dial(&tls.Config{RootCAs: p.roots, ServerName: siteName})
	_, _ = fmt.Fprintf(conn, "GET /x HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
}

// A redirect of the proxy's own leads to the site, whatever a visitor asks for and on
// whatever host.
func TestRedirectsLeadToTheSite(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	pieces := []string{"/", "//", "/\\", "\\", "/%2f", "/%5c", "evil.test", "@evil.test", ":1@evil.test", "..", "/.", ";", "%09", "%0d%0aLocation:%20https://evil.test", "https:", "http://evil.test/", "?component=", "&", "x", "%", "é"}
	targets := []string{"/tale", "/tale?component=x", "/tale/data?component=x", "//evil.test/tale/data?component=x", "http://evil.test/data?component=x"}
	for len(targets) < 300 {
		parts := []string{[]string{"", "/", "/tale", "/tale/data", "/tale/settings/", "/data"}[random.IntN(6)]}
		for range random.IntN(6) {
			parts = append(parts, pieces[random.IntN(len(pieces))])
		}
		if target := strings.Join(parts, ""); target != "" {
			targets = append(targets, target)
		}
	}
	p := start(t, config.Environ{"SITE_URL": "https://site.test:8443", "BASE_PATH": "/tale", "HOST": "alias.test"})
	own := regexp.MustCompile(`^(https://(site|alias)\.test:8443)?/([^/\\]|$)`)
	for name, ask := range map[string]func(request string) *http.Response{"plain": p.raw80, "with TLS": p.raw} {
		redirected := 0
		for i, host := range hosts(random, len(targets)) {
			host := []string{host, siteName, "alias.test", "evil.test"}[i%4]
			response := ask("GET " + targets[i] + " HTTP/1.1\nHost: " + host + "\nConnection: close\n\n")
			location := response.Header.Get("Location")
			if location == "" {
				continue
			}
			redirected++
			if !own.MatchString(location) || len(response.Header["Location"]) > 1 {
				t.Errorf("%s: %q on %q leads to %q", name, targets[i], host, response.Header["Location"])
			}
		}
		t.Logf("%s: %d of %d are redirects", name, redirected, len(targets))
		if redirected < len(targets)/50 {
			t.Errorf("%s: that says nothing", name)
		}
	}
}
