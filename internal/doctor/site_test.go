package doctor_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/site/sitetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// examine returns the findings about the site at the address, by check.
func examine(t *testing.T, url, tlsMode string) map[string]doctor.Finding {
	t.Helper()
	visitor := site.New(site.Options{URL: url, Blind: true})
	t.Cleanup(visitor.Close)
	findings, _ := doctor.Examine(t.Context(), doctor.Site{Visitor: visitor, TLSMode: tlsMode}.Checks())
	byName := map[string]doctor.Finding{}
	for _, f := range findings {
		byName[f.Name] = f
	}
	return byName
}

func TestSiteCertificate(t *testing.T) {
	server := httptest.NewTLSServer(&sitetest.Site{})
	t.Cleanup(server.Close)
	plain := httptest.NewServer(&sitetest.Site{})
	t.Cleanup(plain.Close)
	otherName := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	for name, tt := range map[string]struct {
		site, mode string
		verdict    doctor.Verdict
		detail     string
	}{
		"the proxy's own":     {server.URL, "selfsigned", doctor.OK, "own authority"},
		"unknown":             {server.URL, "letsencrypt", doctor.Warn, "unknown authority"},
		"mode not known here": {server.URL, "", doctor.Warn, "unknown authority"},
		"for another name":    {otherName, "selfsigned", doctor.Fail, "localhost"},
		"plain":               {plain.URL, "external", doctor.Skip, "not https"},
	} {
		t.Run(name, func(t *testing.T) {
			if f := examine(t, tt.site, tt.mode)["certificate"]; f.Verdict != tt.verdict || !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestSiteWithFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		fault, check string
		verdict      doctor.Verdict
		detail       string
	}{
		"all there":           {"", "upstreams", doctor.OK, "reaches all"},
		"an upstream away":    {"upstream away", "upstreams", doctor.Fail, "no healthy address for platform:3000 and"},
		"it is ours still":    {"upstream away", "proxy health", doctor.OK, "our proxy"},
		"told visitors apart": {"", "visitor's address", doctor.OK, "from 192.0.2.1"},
		"all look alike":      {"silent terminator", "visitor's address", doctor.Warn, "10.0.0.9"},
		"none is known":       {"unreadable", "visitor's address", doctor.Warn, `from ""`},
		"another server":      {"another server", "proxy health", doctor.Fail, "answered 404"},
		"behind another":      {"another server", "sync socket", doctor.Skip, "proxy health"},
		"no upgrade":          {"no socket", "sync socket", doctor.Fail, "instead of an upgrade"},
		"upload refused":      {"upload refused", "storage", doctor.OK, "StorageTokenInvalid"},
		"upload cut":          {"upload", "storage", doctor.Fail, "differ"},
		"download missing":    {"download", "storage", doctor.Fail, "404"},
		"actions answer":      {"", "HTTP actions", doctor.OK, "404"},
		"login of the app":    {"discovery", "auth discovery", doctor.OK, "names the issuer https://tale.example"},
		"no login":            {"", "auth discovery", doctor.Warn, "which only an app with its own login needs"},
		"login not visible":   {"app away", "auth discovery", doctor.Warn, "cannot tell"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(&sitetest.Site{Fault: tt.fault})
			t.Cleanup(server.Close)
			if f := examine(t, server.URL, "external")[tt.check]; f.Verdict != tt.verdict || !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// Without what verifies sessions nothing has to be discovered.
func TestSiteWithoutALogin(t *testing.T) {
	server := httptest.NewServer(&sitetest.Site{})
	t.Cleanup(server.Close)
	visitor := site.New(site.Options{URL: server.URL, Blind: true})
	t.Cleanup(visitor.Close)
	findings, _ := doctor.Examine(t.Context(), doctor.Site{Visitor: visitor, NoLogin: true}.Checks())
	for _, f := range findings {
		if f.Name == "auth discovery" && (f.Verdict != doctor.Skip || !strings.Contains(f.Detail, "auth.config.ts")) {
			t.Errorf("%+v", f)
		}
	}
}

// A port that only the host publishes is refused inside: the proxy is asked on its own.
func TestSiteWithAPublishedPort(t *testing.T) {
	server := httptest.NewServer(&sitetest.Site{})
	t.Cleanup(server.Close)
	_, inside, _ := net.SplitHostPort(server.Listener.Addr().String())
	_, published, _ := net.SplitHostPort(testkit.FreeAddress(t))
	visitor := site.New(site.Options{URL: "http://127.0.0.1:" + published, Inside: inside})
	t.Cleanup(visitor.Close)
	findings, healthy := doctor.Examine(t.Context(), doctor.Site{Visitor: visitor, TLSMode: "external"}.Checks())
	if !healthy {
		t.Errorf("%+v", findings)
	}
	for _, f := range findings {
		if f.Name == "port of SITE_URL" && (f.Verdict != doctor.Warn || !strings.Contains(f.Detail, "has the published port "+published) || f.Fix == "") {
			t.Errorf("%+v", f)
		}
	}
	for url, want := range map[string]string{"https://a": "", "https://a:443": "", "https://a:28443": "443", "http://a:8080": "80", "http://a:80": ""} {
		if u, _ := neturl.Parse(url); doctor.InsidePort(u) != want {
			t.Errorf("%s: %s", url, doctor.InsidePort(u))
		}
	}
}

// What only rests on something that is broken is not looked at.
func TestSiteWithoutItsProxy(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	findings := examine(t, server.URL, "external")
	if f := findings["proxy health"]; f.Verdict != doctor.Fail || !strings.Contains(f.Detail, "refused") {
		t.Errorf("%+v", f)
	}
	for _, name := range []string{"upstreams", "certificate", "storage"} {
		if f := findings[name]; f.Verdict != doctor.Skip {
			t.Errorf("%+v", f)
		}
	}
}

// A name server that is away says nothing about the name, nor about the proxy's alias.
func TestANameServerThatIsAway(t *testing.T) {
	f := resolveBy(t, func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED })
	if f.Verdict != doctor.Fail || !strings.Contains(f.Fix, "/etc/resolv.conf") || strings.Contains(f.Fix, "alias") {
		t.Errorf("%+v", f)
	}
}

// Of a name that is there without an address, it is not said that it is not there.
func TestANameWithoutAnAddress(t *testing.T) {
	server := testkit.Listen(t, func(conn net.Conn) {
		query := make([]byte, 512)
		if n, err := conn.Read(query); err == nil && n > 4 {
			query[4] |= 0x84 // after two bytes of length: an answer, of one who knows, with no records
			_, _ = conn.Write(query[:n])
		}
	})
	f := resolveBy(t, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server)
	})
	if f.Verdict != doctor.Fail || !strings.Contains(f.Detail, "no such name, or no address of it") || !strings.Contains(f.Fix, "alias HOST") {
		t.Errorf("%+v", f)
	}
}

// resolveBy returns what the doctor finds about a name with these connections to name servers.
func resolveBy(t *testing.T, dial func(ctx context.Context, network, address string) (net.Conn, error)) doctor.Finding {
	t.Helper()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: dial}
	t.Cleanup(func() { net.DefaultResolver = before })
	findings, _ := doctor.Examine(t.Context(), []doctor.Check{doctor.Resolves("name", "site.test", "the proxy needs the alias HOST")})
	return findings[0]
}
